// What a page keeps: JSON, packed where it is large.
async function unpacked(element) {
  const text = element.textContent;
  if (!("packed" in element.dataset)) return JSON.parse(text);
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).json();
}

// A widget's model in a page without a kernel: traits, and answers to messages that were computed when it was saved.
// Where an answer depends on what is shown, the trait `page` names that. `scenes` are traits that several answers go to.
// A message without an answer is handed back as {unknown: message}: the page says that it was not kept.
function still({ traits, answers, scenes = {} }) {
  const listeners = new Map();
  const tell = (event, content) => { for (const listener of [...(listeners.get(event) || [])]) listener(content); };
  return {
    get: (name) => traits[name],
    set: (name, value) => { traits[name] = value; },
    save_changes: () => {},
    on: (event, listener) => listeners.set(event, [...(listeners.get(event) || []), listener]),
    off: (event, listener) => listeners.set(event, (listeners.get(event) || []).filter((other) => other !== listener)),
    send({ ask, ...content }) {
      if (ask) tell("msg:custom", { heard: ask });
      const message = JSON.stringify(content);
      const answer = answers[`${traits.page ?? ""} ${message}`] ?? answers[` ${message}`];
      if (!answer) return tell("msg:custom", { unknown: content });
      const changes = { ...scenes[answer.go], ...answer.set };
      Object.assign(traits, changes);
      for (const name of Object.keys(changes)) tell(`change:${name}`);
      if (answer.send) tell("msg:custom", answer.send);
    },
  };
}
