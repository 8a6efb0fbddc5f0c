'use strict';
// Opens the page at BASE/docs as a browser does, with as much of a document as its script touches, and sends every request that it
// proposes: node docs-page.js BASE KEY. A line for each answer: the operation, and the status that the page shows.

class Element {
  constructor(tag) {
    this.tag = tag;
    this.children = [];
    this.text = '';
  }
  set textContent(text) {
    this.text = text;
    this.children = [];
  }
  get textContent() { return this.text + this.children.map(child => child.textContent ?? child).join(''); }
  get value() { return this.own ?? (this.tag === 'textarea' ? this.textContent : ''); }
  set value(text) { this.own = text; }
  append(...children) { this.children.push(...children); }
  all(tag) {
    return this.children.flatMap(child => child instanceof Element ? [...(child.tag === tag ? [child] : []), ...child.all(tag)] : []);
  }
}

async function open(base, key) {
  const page = await (await fetch(base + '/docs')).text();
  // Only what the page has can be asked for.
  const parts = Object.fromEntries([...page.matchAll(/<(\w+)[^>]* id="(\w+)"/g)].map(([, tag, id]) => [id, new Element(tag)]));
  globalThis.document = {
    createElement: tag => new Element(tag),
    getElementById: id => parts[id],
    querySelector: path => path === '#key input' ? { value: parts.key.hidden ? '' : key } : parts.operations.all(path)[0],
  };
  const plain = fetch;
  globalThis.fetch = (target, options) => plain(base + target, options);
  const script = page.match(/<script src="([^"]+)"/)[1];
  (0, eval)(await (await fetch(script)).text());
  const end = Date.now() + 10_000;
  while (!parts.schemas.all('details').length) {
    if (Date.now() > end) throw new Error('nothing is shown: ' + parts.operations.textContent);
    await new Promise(later => setTimeout(later, 10));
  }
  return parts;
}

(async () => {
  const parts = await open(...process.argv.slice(2));
  for (const operation of parts.operations.all('details')) {
    // The last button sends; those before it put one of the examples into the body.
    const buttons = operation.all('button'), send = buttons.pop(), answer = operation.all('pre')[0];
    for (const choose of buttons.length ? buttons : [{ onclick() {} }]) {
      choose.onclick();
      await send.onclick();
      console.log(operation.id, answer.textContent.split(' ')[0]);
    }
  }
})();
