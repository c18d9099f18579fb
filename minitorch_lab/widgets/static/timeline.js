// The timeline of a run: the steps that it can go back to, and the forks that began there.
function makeTimeline({ root, send, about, spoken }) {
  return { update() {}, theme() {} };
}
