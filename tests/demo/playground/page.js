// The page: shows the newest snapshot, and sends what a visitor does. All text becomes text, never HTML, but for
// the two pieces of Markdown, which the server has made HTML and harmless.

const at = (id) => document.getElementById(id);
const key = document.querySelector('meta[name="key"]').content;
const dark = matchMedia("(prefers-color-scheme: dark)");

/** An element: `make("p", {class: "quiet"}, "text", child)`. */
function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) element.setAttribute(attribute, value);
  element.append(...children);
  return element;
}

function say(id, text) {
  const element = at(id);
  if (element.textContent !== text) element.textContent = text;
}

// What visitors do.

async function act(deed) {
  const trouble = at("trouble");
  try {
    const answer = await fetch("deeds", {
      method: "POST",
      headers: { "content-type": "application/json", "x-playground-key": key },
      body: JSON.stringify(deed),
    });
    trouble.textContent = answer.ok ? "" : `That was not possible: ${await answer.text()}`;
  } catch {
    trouble.textContent = "The playground does not answer. Is it still running?";
  }
  trouble.hidden = trouble.textContent === "";
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-deed]");
  if (button) {
    const { deed, run, environment, speed, seconds } = button.dataset;
    if (deed === "approve" || deed === "reject") {
      const gate = button.closest(".gate");
      const [user, comment] = [gate.querySelector("select").value, gate.querySelector("input").value];
      act({ deed, run: Number(run), environment, user, comment });
    } else if (run) act({ deed, run: Number(run) });
    else if (speed) act({ deed, speed: Number(speed) });
    else if (seconds) act({ deed, seconds: Number(seconds) });
    else act({ deed });
    return;
  }
  // The pages that the comment links to do not exist; a run's is its place here.
  const link = event.target.closest(".markdown a[href]");
  if (!link) return;
  event.preventDefault();
  const run = at(`run-${/\/actions\/runs\/(\d+)/.exec(link.href)?.[1]}`);
  if (!run) {
    say("news", `${link.href} exists on the real GitHub alone.`);
    return;
  }
  document.querySelector(".runs .shown")?.classList.remove("shown");
  run.classList.add("shown");
  run.scrollIntoView({ block: "center" });
  (run.querySelector(".gate input") ?? run.querySelector("button")).focus({ preventScroll: true });
});

// What there is to see.

let newest = null;
const events = new EventSource("events");
events.onmessage = (event) => {
  newest = JSON.parse(event.data);
  show(newest);
};
events.onerror = () => say("job-tells", "The playground does not answer. Is it still running?");
dark.addEventListener("change", () => {
  for (const place of ["comment-text", "summary-text"]) at(place).shown = null;
  if (newest) show(newest);
});

function show(page) {
  const { pull, comment, job } = page;
  document.body.dataset.again = page.again;
  say("repository", page.repository);
  say("title", pull?.title ?? "No pull request");
  say("number", pull ? `#${pull.number}` : "");
  say("merge-state", pull?.state ?? "");
  say("merge", pull ? `${pull.by ?? pull.author}: ${pull.head} into ${pull.base}` : "");
  const edited = comment?.edited ? ", edited" : "";
  say("comment-by", comment ? `${comment.author} commented ${comment.created}${edited}` : "No comment yet");
  markdown(at("comment-text"), comment?.html ?? "");
  at("summary").hidden = page.summary === "";
  markdown(at("summary-text"), page.summary);
  say("job-tells", `Attempt ${job.attempt}. ${job.tells}`);
  say("outputs", page.outputs);
  at("outputs").hidden = page.outputs === "";
  for (const button of document.querySelectorAll("button[data-phases]")) {
    button.disabled = !button.dataset.phases.split(" ").includes(job.phase);
  }
  const pace = page.speed === 0 ? "time stands still" : `a second here is ${page.speed} s there`;
  say("now", `${page.now}; ${pace}`);
  for (const button of document.querySelectorAll("#speeds button")) {
    button.setAttribute("aria-pressed", String(Number(button.dataset.speed) === page.speed));
  }
  list(at("environments"), page.environments, (it) => it.name, environment);
  list(at("runs"), page.runs.toSorted((one, other) => urgency(one) - urgency(other)), (it) => `run-${it.id}`, run);
  at("no-runs").hidden = page.runs.length > 0;
  log(page.log);
  say("requests", [page.requests, ...page.violations].join(". "));
  announce(at("comment-text").querySelector("h1, h2, h3")?.textContent ?? "", job.tells);
}

/** Keeps a list's items, and with them the focus and what is typed, unless what they show has changed. */
function list(element, items, name, build) {
  const known = new Map([...element.children].map((child) => [child.name, child]));
  const wanted = items.map((item) => {
    const [id, source] = [name(item), JSON.stringify(item)];
    const old = known.get(id);
    if (old?.source === source) return old;
    const fresh = Object.assign(build(item), { name: id, source });
    if (old?.classList.contains("shown")) fresh.classList.add("shown");
    return fresh;
  });
  if (wanted.length !== element.children.length || wanted.some((child, index) => child !== element.children[index])) {
    const focus = document.activeElement;
    element.replaceChildren(...wanted);
    if (element.contains(focus)) focus.focus({ preventScroll: true });
  }
}

function environment({ name, rule }) {
  return make("li", {}, make("strong", {}, name), `: ${rule}`);
}

/** What waits for a person comes first, then what is alive; else the order is the runs' own. */
function urgency(it) {
  if (it.gates.length > 0) return 0;
  return it.conclusion ? 2 : 1;
}

const INK = { success: "good", failure: "bad", timed_out: "bad", startup_failure: "bad", waiting: "wait" };

function run(it) {
  const word = (it.conclusion ?? it.status).replaceAll("_", " ");
  const state = make("span", { class: `word ${INK[it.conclusion ?? it.status] ?? ""}` }, word);
  const attempt = it.attempt > 1 ? `, attempt ${it.attempt}` : "";
  const buttons = make("div", { class: "buttons" });
  const button = (deed, text) =>
    buttons.append(make("button", { "data-deed": deed, "data-run": it.id, "aria-label": `${text}: ${it.title}` }, text));
  if (it["at-work"]) {
    button("succeed", "Succeed");
    button("fail", "Fail");
  }
  button(...(it.conclusion ? ["rerun", "Re-run"] : ["cancel", "Cancel"]));
  const about = make("span", { class: "quiet" }, state, ` · ${it.began}${attempt}`);
  const item = make(
    "li",
    { id: `run-${it.id}`, "aria-label": `Run ${it.title}: ${word}` },
    make("h3", {}, it.title),
    make("div", { class: "about" }, about, buttons),
  );
  for (const { user, state, environments, comment } of it.reviews) {
    const words = comment ? `: “${comment}”` : "";
    item.append(make("p", {}, `${user} ${state} ${environments.join(", ")}${words}`));
  }
  if (it.failed) item.append(make("p", { class: "bad" }, `failed at ${it.failed}`));
  item.append(...it.gates.map((one) => gate(it, one)));
  return item;
}

function gate(it, { environment, since, asks, reviewed, timer, people }) {
  const box = make("div", { class: "gate", role: "group", "aria-label": `${environment} waits for approval` });
  const timed = timer ? `, until ${timer} by a wait timer` : "";
  const waits = reviewed || people.length === 0 ? "waits" : `waits for ${asks}`;
  box.append(make("p", {}, make("strong", {}, environment), ` ${waits} since ${since}${timed}`));
  if (reviewed || people.length === 0) return box;
  const who = make("select", { "aria-label": "Who decides" });
  who.append(...people.map(({ login, called }) => make("option", { value: login }, `as ${called}`)));
  const words = make("input", { placeholder: "Leave a comment", "aria-label": "Comment of the review" });
  const button = (deed, text) => {
    const which = { "data-deed": deed, "data-run": it.id, "data-environment": environment };
    return make("button", { class: deed, ...which, "aria-label": `${text}: ${it.title}, ${environment}` }, text);
  };
  box.append(
    make("div", { class: "buttons" }, who, words),
    make("div", { class: "buttons" }, button("approve", "Approve"), button("reject", "Reject")),
  );
  return box;
}

/** Log lines as the runner shows them. */
function log(text) {
  const place = at("log-text");
  if (place.shown === text) return;
  place.shown = text;
  const follows = place.scrollHeight - place.scrollTop - place.clientHeight < 40;
  const lines = text.split("\n").map((line) => {
    const command = /^::(error|warning|notice|group|endgroup|debug|add-mask)([^:]*)::(.*)$/.exec(line);
    if (!command) return `${line}\n`;
    const [, name, , rest] = command;
    const words = rest.replaceAll("%0A", "\n").replaceAll("%0D", "").replaceAll("%25", "%");
    if (name === "endgroup" || name === "add-mask") return "";
    if (name === "group") return make("strong", {}, `▾ ${words}\n`);
    const ink = { error: "bad", warning: "wait" }[name] ?? "quiet";
    return make("span", { class: ink }, `${name[0].toUpperCase()}${name.slice(1)}: ${words}\n`);
  });
  place.replaceChildren(...lines);
  if (follows) place.scrollTop = place.scrollHeight;
}

/** Puts Markdown on the page, and keeps open what was unfolded. */
function markdown(place, html) {
  if (place.shown === html) return;
  place.shown = html;
  const titles = (open) =>
    [...place.querySelectorAll(open ? "details[open]" : "details")].map((it) => it.firstElementChild?.textContent);
  const [known, open] = [titles(false), titles(true)];
  place.innerHTML = html;
  for (const details of place.querySelectorAll("details")) {
    const title = details.firstElementChild?.textContent;
    if (known.includes(title)) details.open = open.includes(title);
  }
  for (const pre of place.querySelectorAll('pre[lang="mermaid"]')) draw(pre);
}

// Graphs, where the library is installed (`npm ci` in tests/playground); else they stay code.

let graphs = 0;
const drawn = new Map();

async function draw(pre) {
  if (!globalThis.mermaid) return;
  const source = pre.textContent;
  const name = `${dark.matches} ${source}`;
  if (!drawn.has(name)) {
    mermaid.initialize({ startOnLoad: false, securityLevel: "strict", theme: dark.matches ? "dark" : "default" });
    graphs += 1;
    // Some graphs are as wide as their place; on a phone they are scrolled, as they are on GitHub.
    const place = make("div", { class: "easel" });
    document.body.append(place);
    const svg = mermaid.render(`graph-${graphs}`, source, place).then((it) => it.svg, () => null);
    drawn.set(name, svg.finally(() => place.remove()));
  }
  const svg = await drawn.get(name);
  if (!svg || !pre.isConnected) return;
  const figure = make("figure", { "aria-label": "Graph" });
  figure.innerHTML = svg;
  pre.replaceWith(figure);
}

/** Tells those who do not see it what has changed. */
function announce(...sentences) {
  say("news", sentences.filter(Boolean).join(". "));
}
