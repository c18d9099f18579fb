// Doctor: the program with its lines lit, the findings, and a button for each repair.

function render({ model, el }) {
  const code = h("ol", { class: "code", tabindex: "0", "aria-label": "the program; lines with findings are lit" });
  const words = h("div", { class: "words" });
  const said = h("span", { class: "said", role: "status" });
  const count = h("span", { class: "muted small" });
  const fix = h("button", { class: "primary", type: "button", onclick: () => tell({ do: "fix" }, "All repairs are in the program.") }, "apply all repairs");
  const undo = h("button", { type: "button", onclick: () => tell({ do: "undo" }, "One step back.") }, "undo");
  const copy = h("button", { type: "button", onclick: copied }, "copy the program");
  const title = model.get("title");
  const root = h(
    "section",
    { class: "lab doctor", "aria-label": `doctor${title ? `: ${title}` : ""}` },
    h("header", { class: "bar" }, h("h2", {}, h("span", { class: "muted" }, "doctor: "), title || "your program"), count, undo, copy, fix),
    h("div", { class: "body" }, code, words),
    h("footer", { class: "status" }, said),
  );
  shield(root);
  el.append(root);

  let after = ""; // what is said when the answer has come
  function tell(message, text) {
    after = text;
    model.send(message);
  }

  async function copied() {
    try {
      await navigator.clipboard.writeText(model.get("text"));
      said.textContent = "The program is on the clipboard: paste it into your cell.";
    } catch {
      getSelection().selectAllChildren(code);
      said.textContent = "The browser keeps the clipboard closed: the program is selected, copy it with Ctrl+C.";
    }
  }

  function show() {
    code.innerHTML = model.get("lines");
    const findings = model.get("findings");
    words.replaceChildren(
      ...findings.map((finding, at) => {
        const article = h("article", { class: "finding" });
        article.innerHTML = finding.html;
        if (finding.repair) {
          const text = `The repair of ${finding.check} is in the program.`;
          const button = h("button", { type: "button", "aria-label": `apply the repair of ${finding.check}`, onclick: () => tell({ do: "apply", at }, text) }, "apply this repair");
          article.append(h("div", { class: "actions" }, button));
        }
        for (const [on, off] of [["mouseenter", "mouseleave"], ["focusin", "focusout"]]) {
          article.addEventListener(on, () => light(at, true));
          article.addEventListener(off, () => light(at, false));
        }
        return article;
      }),
    );
    if (!findings.length) words.append(h("p", { class: "fine" }, "None of the 25 mistakes that the doctor knows. That is no proof that it is right."));
    count.textContent = model.get("words");
    fix.hidden = !model.get("fixable");
    undo.hidden = !model.get("changed");
    code.hidden = !model.get("text");
    said.textContent = after || (findings.length ? "Point at a finding to see its lines. A repair here changes this copy, not your cell." : "");
    if (after && !root.contains(document.activeElement)) (fix.hidden ? copy : fix).focus();
    after = "";
  }

  function light(at, on) {
    for (const row of code.querySelectorAll("[data-found]")) {
      if (row.dataset.found.split(" ").includes(String(at))) row.classList.toggle("near", on);
    }
  }

  let waiting = null; // several traits come at once
  function soon() {
    waiting ??= requestAnimationFrame(() => {
      waiting = null;
      show();
    });
  }
  const names = ["lines", "findings", "words", "changed", "text"];
  names.forEach((name) => model.on(`change:${name}`, soon));
  show();
  return () => names.forEach((name) => model.off(`change:${name}`, soon));
}

export default { render };
