// Shows one panel at a time and reports presses on a memory's buttons as the event 'act'.
const show = (name) => {
  element.dataset.shown = name;
  for (const tab of element.querySelectorAll('[data-tab]')) {
    tab.setAttribute('aria-selected', String(tab.dataset.tab === name));
  }
  for (const panel of element.querySelectorAll('[data-panel]')) {
    panel.hidden = panel.dataset.panel !== name;
  }
};

const edit = (card) => {
  const fact = card.querySelector('.fact');
  if (!fact) return;
  const field = document.createElement('textarea');
  field.className = 'fact';
  field.value = fact.textContent.trim();
  field.setAttribute('aria-label', 'The memory in your words');
  fact.replaceWith(field);
  const finish = (text) => {
    field.replaceWith(fact);
    if (text && text !== fact.textContent.trim()) {
      trigger('act', { verb: 'update', memory: card.dataset.memory, text });
    }
  };
  field.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') finish('');
    if (event.key === 'Enter' && !event.shiftKey) {
      event.preventDefault();
      finish(field.value.trim());
    }
  });
  field.addEventListener('blur', () => { if (field.isConnected) finish(field.value.trim()); });
  field.focus();
  field.select();
};

element.addEventListener('click', (event) => {
  const tab = event.target.closest('[data-tab]');
  if (tab) show(tab.dataset.tab);
  const button = event.target.closest('[data-verb]');
  if (!button) return;
  const card = button.closest('[data-memory]');
  if (button.dataset.verb === 'update') edit(card);
  else trigger('act', { verb: button.dataset.verb, memory: card.dataset.memory, text: '' });
});

const again = () => show(element.dataset.shown || 'memories');
watch('value', again);
again();
