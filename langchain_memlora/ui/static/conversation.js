// Keeps the newest words in view. The block around this element is what scrolls.
const view = element.closest('#conversation') || element;
const scroll = () => requestAnimationFrame(() => { view.scrollTop = view.scrollHeight; });
watch('value', scroll);
scroll();
