'use strict';
// Reads /openapi.json and shows it. Everything is put in as text, so that nothing of the document becomes markup.

function make(tag, text, ...children) {
  const element = document.createElement(tag);
  if (text) element.textContent = text;
  element.append(...children);
  return element;
}

function table(head, rows) {
  const row = (tag, cells) => make('tr', '', ...cells.map(cell => make(tag, cell)));
  return make('table', '', row('th', head), ...rows.map(cells => row('td', cells)));
}

function typeOf(schema) {
  if (schema.$ref) return schema.$ref.split('/').pop();
  if (schema.anyOf) return schema.anyOf.map(typeOf).join(' or ');
  if (schema.items) return 'list of ' + typeOf(schema.items);
  if (schema.additionalProperties) return 'object of ' + typeOf(schema.additionalProperties);
  return [].concat(schema.type || 'any').join(' or ');
}

function allowed(schema) {
  const parts = [];
  if (schema.enum) parts.push('one of ' + schema.enum.map(value => JSON.stringify(value)).join(', '));
  if ('minimum' in schema) parts.push('at least ' + schema.minimum);
  if ('maximum' in schema) parts.push('at most ' + schema.maximum);
  if ('minLength' in schema) parts.push('at least ' + schema.minLength + ' characters');
  if ('maxLength' in schema) parts.push('at most ' + schema.maxLength + ' characters');
  if (schema.description) parts.push(schema.description);
  return parts.join('; ');
}

function pretty(text) {
  try { return JSON.stringify(JSON.parse(text), null, 2); } catch { return text; }
}

function form(method, path, call) {
  const box = make('div'), inputs = [];
  for (const parameter of call.parameters || []) {
    const input = make('input');
    input.placeholder = String(parameter.schema.default ?? '');
    box.append(make('label', parameter.name + ' ', input), make('span', parameter.description), make('br'));
    inputs.push([parameter.name, input]);
  }
  let type, area;
  for (const [media, content] of Object.entries(call.requestBody?.content || {})) {
    for (const [name, example] of Object.entries(content.examples || {})) {
      const value = typeof example.value === 'string' ? example.value : JSON.stringify(example.value, null, 2);
      if (!area) { area = make('textarea', value); area.spellcheck = false; type = media; }
      const choose = make('button', example.summary);
      choose.onclick = () => { area.value = value; type = media; };
      box.append(choose, ' ');
    }
  }
  if (call.requestBody && !area) { area = make('textarea'); type = 'application/json'; }
  if (area) box.append(area);
  const send = make('button', 'Send'), answer = make('pre');
  answer.hidden = true;
  send.className = 'send';
  send.onclick = async () => {
    const query = new URLSearchParams(inputs.filter(([, input]) => input.value).map(([name, input]) => [name, input.value]));
    const headers = {}, key = document.querySelector('#key input').value;
    if (area) headers['Content-Type'] = type;
    if (key && call.security) headers['X-API-Key'] = key;
    answer.hidden = false;
    answer.textContent = '…';
    const start = performance.now();
    try {
      const target = path + (String(query) ? '?' + query : '');
      const response = await fetch(target, { method: method.toUpperCase(), headers, body: area?.value });
      const text = await response.text(), millis = (performance.now() - start).toFixed(1);
      answer.textContent = response.status + ' ' + response.statusText + ' · ' + millis + ' ms\n\n' + pretty(text);
    } catch (error) {
      answer.textContent = 'No answer: ' + error.message;
    }
  };
  box.append(make('p', '', send), answer);
  return box;
}

function operation(method, path, call) {
  const details = make('details', '', make('summary', '', make('b', method.toUpperCase()), make('code', path), ' ', make('span', call.summary)));
  details.id = call.operationId;
  if (call.description) details.append(make('p', call.description));
  details.append(form(method, path, call), make('h4', 'Answers'));
  details.append(table(['status', 'when', 'body'], Object.entries(call.responses).map(([status, answer]) => {
    const [media, content] = Object.entries(answer.content || { '': {} })[0];
    return [status, answer.description, content.schema ? typeOf(content.schema) + ', ' + media : ''];
  })));
  const content = Object.values(call.responses['200']?.content || {})[0];
  if (content?.example) details.append(make('h4', 'An answer'), make('pre', JSON.stringify(content.example, null, 2)));
  return details;
}

function schema(name, schema) {
  const details = make('details', '', make('summary', '', make('code', name), ' ', make('span', schema.description || typeOf(schema))));
  const required = schema.required || [];
  details.append(table(['field', 'type', 'allowed'], Object.entries(schema.properties || {}).map(([field, property]) =>
    [field, typeOf(property) + (required.includes(field) ? '' : ' (optional)'), allowed(property)])));
  return details;
}

async function show() {
  const api = await (await fetch('/openapi.json')).json();
  document.getElementById('about').textContent = api.info.description;
  document.getElementById('key').hidden = !api.components.securitySchemes;
  const operations = document.getElementById('operations');
  for (const tag of api.tags) {
    operations.append(make('h2', tag.name));
    for (const [path, methods] of Object.entries(api.paths)) {
      for (const [method, call] of Object.entries(methods)) {
        if (call.tags.includes(tag.name)) operations.append(operation(method, path, call));
      }
    }
  }
  document.querySelector('details').open = true;
  for (const [name, value] of Object.entries(api.components.schemas)) document.getElementById('schemas').append(schema(name, value));
}

show().catch(error => { document.getElementById('operations').textContent = 'The description cannot be read: ' + error.message; });
