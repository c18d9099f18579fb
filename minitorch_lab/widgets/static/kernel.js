// What a widget says to the kernel, and words on the page where the kernel does not hear it.
//
// A message goes with an `ask`; Python answers {heard: ask} before it does what it says (LabWidget). Where cells and
// pages share one thread of the kernel, that is when the running cell has ended.

const LATE = 700; // milliseconds after which a message counts as not heard
const SELDOM = 250; // between two messages that ask
const [REST, LONG] = [1000, 15000]; // until a run that holds, or goes on, is kept as a picture
const SILENT = 3000; // after which a run of which nothing is heard is asked for
const UNHEARD = {
  late: "The kernel has not answered yet: it does when the running cell has ended. If it was restarted, run this panel's cell again.",
  gone: "The kernel is no longer there: this is how things stood. Run this panel's cell again for a new one.",
};

// `send` a message; `note` is for the page, below its controls; `run(now)` says whether there should be news. `tell` is
// called when `how` changes ("late", "gone", or "" where all is well), `again` when there may be a kernel again.
// Where no word ever came, in a notebook that was opened without its kernel, `note` has the picture that was kept, and
// the rest is hidden.
function kernelOf(model, { tell = () => {}, again = () => {} } = {}) {
  const line = h("p", { class: "muted small", role: "status" });
  const still = h("div", {});
  const note = h("div", { class: "unheard", hidden: true }, line, still);
  const mine = Math.random().toString(36).slice(2);
  let [asked, at, heard, how, news, runs] = [0, -SELDOM, 0, "", 0, false];
  let [timer, asking, changing, keeping] = [0, 0, 0, 0];
  const picture = () => {
    still.innerHTML = how && !news ? model.get("still") ?? "" : "";
    note.parentElement?.classList.toggle("unknown", still.childElementCount > 0);
  };
  const say = (now) => {
    if (now === how) return;
    how = now;
    line.textContent = UNHEARD[now] ?? "";
    note.hidden = !now;
    picture();
    tell(now);
  };
  const wait = () => {
    timer = setTimeout(() => { timer = 0; say("late"); }, LATE);
  };
  const sent = (content) => {
    try {
      model.send(content);
      return true;
    } catch {
      clearTimeout(timer);
      timer = 0;
      say("gone"); // its channel is closed: the kernel was ended, or started anew
      return false;
    }
  };
  const send = (content) => {
    const now = performance.now();
    if (now - at < SELDOM) { // a slider is being dragged: whether it is heard is asked once, after that
      if (sent(content) && !asking) asking = setTimeout(() => send({ type: "there" }), SELDOM);
      return;
    }
    clearTimeout(asking);
    asking = 0;
    if (!sent({ ...content, ask: `${mine} ${asked + 1}` })) return;
    [asked, at] = [asked + 1, now];
    if (heard < asked && !timer && how !== "late") wait();
  };
  const keep = () => { keeping = sent({ type: "keep" }) && runs ? setTimeout(keep, LONG) : 0; };
  const receive = (content) => {
    news = performance.now();
    if (still.childElementCount) picture();
    const [whose, count] = String(content.heard).split(" ");
    if (whose !== mine) return;
    heard = Math.max(heard, Number(count));
    clearTimeout(timer);
    timer = 0;
    say("");
    if (heard < asked) wait();
  };
  model.on("msg:custom", receive);
  // JupyterLab's word that the kernel starts anew, or that the way to it is open again.
  const changed = () => { clearTimeout(changing); changing = setTimeout(again, 300); };
  model.on("comm_live_update", changed);
  const beat = setInterval(() => runs && how !== "gone" && performance.now() - news > SILENT && sent({ type: "there" }), SILENT);
  return {
    send,
    note,
    run(now) {
      if (now && runs) return;
      runs = now;
      clearTimeout(keeping);
      keeping = setTimeout(keep, now ? LONG : REST);
    },
    get how() { return how; },
    end() {
      model.off("msg:custom", receive);
      model.off("comm_live_update", changed);
      for (const one of [timer, asking, changing, keeping]) clearTimeout(one);
      clearInterval(beat);
    },
  };
}
