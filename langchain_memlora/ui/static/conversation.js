// Keeps the newest words in view.
const scroll = () => { element.scrollTop = element.scrollHeight; };
watch('value', scroll);
scroll();
