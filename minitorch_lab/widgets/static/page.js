// A widget's model in a page without a kernel: traits, and answers to messages that were computed when it was saved.
// Where an answer depends on what is shown, the trait `page` names that.
function still({ traits, answers }) {
  const listeners = new Map();
  const tell = (event, content) => { for (const listener of [...(listeners.get(event) || [])]) listener(content); };
  return {
    get: (name) => traits[name],
    set: (name, value) => { traits[name] = value; },
    save_changes: () => {},
    on: (event, listener) => listeners.set(event, [...(listeners.get(event) || []), listener]),
    off: (event, listener) => listeners.set(event, (listeners.get(event) || []).filter((other) => other !== listener)),
    send(content) {
      const message = JSON.stringify(content);
      const answer = answers[`${traits.page ?? ""} ${message}`] ?? answers[` ${message}`];
      if (!answer) return;
      Object.assign(traits, answer.set);
      for (const name of Object.keys(answer.set || {})) tell(`change:${name}`);
      if (answer.send) tell("msg:custom", answer.send);
    },
  };
}
