// Quiz and prediction. Both are a form of native controls in one card.

let forms = 0; // radio buttons of two forms must not share a name

// Text with `code` between backticks, as nodes: nothing from a lesson is ever read as HTML.
function rich(text) {
  return text.split("`").map((part, i) => (i % 2 ? h("code", {}, part) : part));
}

// A card: its bar, then its form. An arrow moves between choices, not between the notebook's cells.
function card(kind, title, aside) {
  const heading = h("h2", {}, h("span", { class: "muted" }, `${kind}:`), " ", ...rich(title));
  const form = h("form", { class: "inner", onsubmit: (event) => event.preventDefault() });
  const root = h(
    "section",
    { class: "lab card", "aria-label": `${kind}: ${title}` },
    h("header", { class: "bar" }, heading, aside),
    form,
  );
  shield(root);
  return { root, form, heading };
}

function quiz(model, el) {
  const questions = model.get("questions");
  const answers = questions.map((_, i) => [...(model.get("answers")[i] ?? [])]);
  const id = (forms += 1);
  const aside = h("span", { class: "muted small" });
  const { root, form, heading } = card("quiz", model.get("title"), aside);
  el.append(root);

  const isRight = (i, choice) => questions[i].choices[choice]?.right === true;
  const solved = (i) => answers[i].some((choice) => isRight(i, choice));

  function keep(i, choice) {
    answers[i].push(choice);
    model.set("answers", answers.map((list) => [...list]));
    model.save_changes();
  }

  function ask(i, focus) {
    const question = questions[i];
    const last = i === questions.length - 1;
    const onward = () => (last ? summary(true) : ask(i + 1, true));
    heading.replaceChildren(h("span", { class: "muted" }, "quiz:"), " ", ...rich(question.title));
    aside.textContent = `question ${i + 1} of ${questions.length}`;
    const prompt = h("p", { class: "ask", id: `lab-ask-${id}-${i}`, tabindex: "-1" }, ...rich(question.ask));
    const status = h("p", { class: "said", role: "status", hidden: true });
    const choices = h("fieldset", { class: "choices", "aria-labelledby": prompt.id });
    const go = h("button", { class: "primary", type: "submit" }, "check my answer");
    const skip = h("button", { class: "quiet", type: "button", onclick: onward }, last ? "to the summary" : "skip");
    let done = false;

    function say(tone, text) {
      status.hidden = !text;
      status.className = `said ${tone}`;
      status.replaceChildren(...rich(text));
    }
    question.choices.forEach((choice, n) => {
      const radio = h("input", { type: "radio", name: `lab-quiz-${id}-${i}`, value: String(n) });
      radio.addEventListener("change", () => {
        choices.querySelectorAll(".badge").forEach((old) => old.remove());
        say("", "");
        done = false;
        go.textContent = "check my answer";
        skip.hidden = false;
      });
      choices.append(h("label", {}, radio, h("span", {}, ...rich(choice.text))));
    });
    form.onsubmit = (event) => {
      event.preventDefault();
      if (done) return onward();
      const chosen = choices.querySelector("input:checked");
      if (!chosen) return say("", "Choose an answer first.");
      const n = Number(chosen.value);
      const right = isRight(i, n);
      if (answers[i].at(-1) !== n) keep(i, n);
      choices.querySelectorAll(".badge").forEach((old) => old.remove());
      chosen.closest("label").append(
        h("span", { class: `badge ${right ? "good" : "bad"}` }, right ? "right" : "not yet"),
      );
      say(right ? "good" : "bad", question.choices[n].why);
      done = right;
      skip.hidden = right;
      if (right) go.textContent = last ? "to the summary" : "next question";
    };
    form.replaceChildren(prompt, choices, status, h("div", { class: "actions" }, go, skip));
    if (focus) prompt.focus();
  }

  function summary(focus) {
    const count = questions.filter((_, i) => solved(i)).length;
    heading.replaceChildren(h("span", { class: "muted" }, "quiz:"), " ", model.get("title"));
    aside.textContent = `${count} of ${questions.length} right`;
    const prompt = h(
      "p",
      { class: "ask", tabindex: "-1" },
      count === questions.length ? "All of them. On to the next lesson." : "Try the open ones again, or go on: both are fine.",
    );
    const list = h("ol", { class: "summary" });
    questions.forEach((question, i) => {
      const tries = answers[i].findIndex((choice) => isRight(i, choice)) + 1;
      const text = tries === 0 ? "open" : tries === 1 ? "right" : `right, try ${tries}`;
      list.append(h("li", {}, h("span", { class: `badge ${tries ? "good" : ""}` }, text), h("span", {}, ...rich(question.title))));
    });
    form.onsubmit = (event) => {
      event.preventDefault();
      ask(0, true);
    };
    form.replaceChildren(prompt, list, h("div", { class: "actions" }, h("button", { type: "submit" }, "once more")));
    if (focus) prompt.focus();
  }

  const open = questions.findIndex((_, i) => !solved(i));
  if (open === -1) summary(false);
  else ask(open, false);
}

function predict(model, el) {
  const id = (forms += 1);
  const choices = model.get("choices");
  const { root, form } = card("predict", model.get("title"), h("span", { class: "muted small" }, "before you run it"));
  const prompt = h("p", { class: "ask", id: `lab-ask-p${id}` }, ...rich(model.get("question")));
  const status = h("p", { class: "said", role: "status" });
  const sure = model.get("sure");
  const said = h("output", { "aria-hidden": "true" }, `${sure} %`);
  const slider = h("input", { type: "range", min: "0", max: "100", step: "10", value: String(sure) });
  const fill = () => {
    slider.style.setProperty("--at", `${slider.value}%`);
    said.textContent = `${slider.value} %`;
  };
  slider.addEventListener("input", fill);
  fill();

  let given; // reads the answer
  let field;
  if (choices.length) {
    field = h("fieldset", { class: "choices", "aria-labelledby": prompt.id });
    choices.forEach((choice) => {
      const radio = h("input", { type: "radio", name: `lab-predict-${id}`, value: choice });
      radio.checked = choice === model.get("answer");
      field.append(h("label", {}, radio, h("span", {}, ...rich(choice))));
    });
    given = () => field.querySelector("input:checked")?.value ?? "";
  } else {
    const text = h("input", { type: "text", inputmode: "decimal", autocomplete: "off", value: model.get("answer") });
    field = h("label", { class: "field" }, h("span", {}, ...rich(model.get("field"))), text);
    given = () => text.value.trim();
  }

  function tell() {
    const answer = model.get("answer");
    status.className = `said ${answer ? "good" : ""}`;
    status.replaceChildren(
      ...(answer
        ? rich(`Kept: ${answer}, ${model.get("sure")} % sure. Now run the next cell.`)
        : ["Nothing has run yet. Your answer is kept, and shown beside the result."]),
    );
  }
  form.onsubmit = (event) => {
    event.preventDefault();
    const answer = given();
    if (!answer) {
      status.className = "said bad";
      status.textContent = choices.length ? "Choose an answer first; a guess is fine." : "Type an answer first; a guess is fine.";
      return;
    }
    model.set("answer", answer);
    model.set("sure", Number(slider.value));
    model.save_changes();
    tell();
  };
  tell();
  model.on("change:answer", tell);
  const lit = model.get("lit");
  const code = model.get("code");
  const listing = code
    ? h("ol", { class: "code", tabindex: "0", "aria-label": "the lines in question" }, ...code.split("\n").map((line, i) => h("li", { class: i + 1 === lit ? "lit" : null }, line)))
    : null;
  const actions = h("div", { class: "actions" }, h("button", { class: "primary", type: "submit" }, "keep my answer"));
  form.append(
    ...[prompt, listing, field, h("label", { class: "field" }, "how sure", slider, said), status, actions].filter(Boolean),
  );
  el.append(root);
  return () => model.off("change:answer", tell);
}

function render({ model, el }) {
  return model.get("kind") === "quiz" ? quiz(model, el) : predict(model, el);
}

export default { render };
