// The page of approvals: what is open and what was decided, kept up to date by the stream.
import { Card, decidedAt, entry, person } from "./approvals-card.js";
import { parse, when } from "./approvals-value.js";

const APPROVALS = "/api/v1/approvals";
const STATS = "/api/v1/workflows/stats";
const STREAM = "/api/v1/stream/sse";
// What can change the list. A name more than needed only costs a look.
const CHANGES = ["synod.approval.requested", "synod.approval.decided", "synod.approval.escalated",
  "synod.run.cancelled", "synod.run.failed", "synod.run.rolled_back", "synod.run.amended"];
const NOTICES = ["synod.stream.reset", "synod.stream.closed"];
const MOST_OPEN = 100;
const STEP = 20;
const MOST_DECIDED = 200;
// Time between looks when nothing was told, between two looks at least, and after a failed one.
const REST_MS = 30000;
const BREATH_MS = 250;
const AGAIN_MS = 3000;
const MOST_WAIT_MS = 30000;

const element = (id) => document.getElementById(id);
const cards = new Map();
const entries = new Map();
let decidedLimit = STEP;
let ahead = 0;
let looked = false;

// What the node refused, and why.
class Refusal extends Error {
  constructor(problem) {
    super(problem.detail ?? problem.title);
    this.problem = problem;
  }
}

async function ask(path, options) {
  const answer = await fetch(path, { cache: "no-store", ...options });
  // Deadlines are the node's: its clock counts, not this machine's.
  const date = Date.parse(answer.headers.get("date"));
  if (date && Math.abs(date - Date.now()) > 2000) ahead = date - Date.now();
  const text = await answer.text();
  if (answer.ok) return parse(text);
  let problem;
  try {
    problem = JSON.parse(text);
  } catch {
    problem = { status: answer.status, title: `The node answered ${answer.status}` };
  }
  throw new Refusal(problem);
}

// For screen readers; the same words twice are news too.
function news(text) {
  element("news").textContent = "";
  setTimeout(() => { element("news").textContent = text; }, 50);
}

// ---- deciding

async function decide(card, verdict) {
  if (card.asking) return;
  const by = element("name").value.trim();
  element("name-fault").textContent = by ? "" : "Say who you are before you decide.";
  if (!by) {
    element("name").focus();
    return;
  }
  const draft = card.draft(verdict, by);
  if (!draft) return;
  card.hush();
  card.busy(true);
  try {
    const approval = await ask(`${APPROVALS}/${encodeURIComponent(card.approval.id)}/decide`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(draft),
    });
    taken(card, approval, verdict);
  } catch (error) {
    await refused(card, error, by);
  }
  card.busy(false);
  refresh();
}

function taken(card, approval, verdict) {
  if (approval.state === "open") {
    const given = approval.decisions.length;
    card.show(approval);
    card.tell("good", "Your decision is kept.",
      `${given} of ${approval.needed}: it waits for ${approval.needed - given} more.`);
    return;
  }
  news(`${verdict === "approve" ? "Approved" : "Rejected"}: ${approval.question}`);
  cards.delete(approval.id);
  card.remove();
}

async function refused(card, error, by) {
  if (!(error instanceof Refusal)) {
    card.tell("", "The node did not answer.",
      "Your decision may have been taken all the same: this page shows it as soon as it can.");
    return;
  }
  const problem = error.problem;
  const detail = problem.detail ?? problem.title;
  let told = REFUSED[problem.status] ?? ["Your decision was not taken.", problem.next_step ?? ""];
  if (problem.status === 409 || problem.status === 404) told = await standing(card, by) ?? told;
  else told = [told[0], `${detail}. ${told[1]}`];
  card.tell("bad", told[0], told[1]);
}

const REFUSED = {
  403: ["You may not decide this.", "Let one of those decide, or choose a role in which you do."],
  404: ["It is gone.", "Its run is no longer kept."],
  422: ["That is not valid.", ""],
};

// Why nothing can be decided: late, decided by others, or decided by the same person.
async function standing(card, by) {
  let approval;
  try {
    approval = await ask(`${APPROVALS}/${encodeURIComponent(card.approval.id)}`);
  } catch {
    return null;
  }
  card.show(approval);
  if (approval.state !== "open") {
    card.close();
    return [ended(approval), "Your decision was not taken."];
  }
  if (approval.deadline && Date.parse(approval.deadline) <= Date.now() + ahead) {
    return [LATE, "Your decision was not taken."];
  }
  const mine = approval.decisions.find((said) => person(said.by) === by);
  return mine ? ["You have decided already.", `What you said ${when(mine.at)} stands.`] : null;
}

const LATE = "Too late: the deadline has passed.";

function ended(approval) {
  const last = approval.decisions.at(-1);
  if (approval.state === "withdrawn") return "It is withdrawn: its run went on without it.";
  if (approval.state === "expired" || !last) return LATE;
  return `It is ${approval.state} already, by ${person(last.by)}.`;
}

// ---- showing

function byDeadline(a, b) {
  const at = (one) => (one.deadline ? Date.parse(one.deadline) : Infinity);
  return at(a) - at(b) || Date.parse(a.requested_at) - Date.parse(b.requested_at) || 0;
}

// An approval that is open no more: its card goes, unless somebody is at it.
async function left(card, decided) {
  // What the node answers to the decision that is under way says more.
  if (card.asking) return;
  const approval = decided.get(card.approval.id);
  if (approval) news(`${approval.state}: ${approval.question}`);
  if (!card.closed && !card.touched) {
    cards.delete(card.approval.id);
    card.remove();
  } else if (!card.closed) {
    const told = await standing(card, "");
    card.close();
    card.tell("", told?.[0] ?? "It is open no more.", "What you have written was not sent.");
  }
}

function showOpen(open) {
  let before = null;
  const place = element("open");
  for (const approval of open.sort(byDeadline)) {
    let card = cards.get(approval.id);
    if (card) {
      card.show(approval);
    } else {
      card = new Card(approval, decide);
      cards.set(approval.id, card);
      card.suits(element("name").value.trim());
      place.insertBefore(card.element, before ? before.nextSibling : place.firstChild);
      if (looked) {
        card.element.classList.add("new");
        news(`New: ${approval.question}`);
      }
    }
    card.tick(Date.now() + ahead);
    before = card.element;
  }
}

function showDecided(decided) {
  const sorted = decided.sort((a, b) => decidedAt(b).localeCompare(decidedAt(a)));
  for (const approval of sorted) {
    if (!entries.has(approval.id)) entries.set(approval.id, entry(approval));
  }
  const wanted = sorted.map((approval) => entries.get(approval.id));
  const place = element("decided");
  const same = wanted.length === place.children.length
    && wanted.every((one, at) => one === place.children[at]);
  if (!same) place.replaceChildren(...wanted);
}

// How many wait for a decision; 0 where the node does not say.
async function openInAll() {
  try {
    return (await ask(STATS)).open_approvals ?? 0;
  } catch {
    return 0;
  }
}

async function look() {
  const [listed, past] = await Promise.all([
    ask(`${APPROVALS}?limit=${MOST_OPEN}`),
    ask(`${APPROVALS}?decided=true&limit=${decidedLimit}`),
  ]);
  // How many there are is asked only where the list is cut.
  const all = listed.next ? await openInAll() : listed.approvals.length;
  const open = new Map(listed.approvals.map((approval) => [approval.id, approval]));
  const decided = new Map(past.approvals.map((approval) => [approval.id, approval]));
  for (const card of [...cards.values()]) {
    if (!card.element.isConnected) cards.delete(card.approval.id);
    // What is not on a full page may be open all the same.
    else if (!open.has(card.approval.id) && (!listed.next || decided.has(card.approval.id))) {
      await left(card, decided);
    }
  }
  showOpen(listed.approvals);
  showDecided(past.approvals);
  const count = listed.next && !all ? `${open.size}+` : `${all || open.size}`;
  element("open-count").textContent = open.size ? count : "";
  element("open-empty").hidden = cards.size > 0;
  element("open-more").hidden = !listed.next;
  element("open-more").textContent = `Showing ${open.size} of ${all || "more"}; `
    + "others follow as these are decided.";
  element("decided-empty").hidden = past.approvals.length > 0;
  const full = decidedLimit >= MOST_DECIDED;
  element("older").hidden = !past.next || full;
  element("decided-more").hidden = !past.next;
  element("decided-more").textContent = `Showing the latest ${past.approvals.length}; `
    + (full ? "synod workflows approvals --decided lists all." : "there are older ones.");
  document.title = `${open.size ? `(${count}) ` : ""}Approvals · Synod`;
  looked = true;
}

const pause = (ms) => new Promise((done) => { setTimeout(done, ms); });
let looking = false;
let again = false;

// Looks once more; however often it is called, one look at a time.
async function refresh() {
  again = true;
  if (looking) return;
  looking = true;
  while (again) {
    again = false;
    try {
      await look();
      element("outage").hidden = true;
    } catch (error) {
      const why = error instanceof Refusal ? error.message : "it does not answer";
      element("outage").textContent =
        `The node can't be asked: ${why}. What you see may be old; this page goes on trying.`;
      element("outage").hidden = false;
      again = true;
      await pause(AGAIN_MS);
    }
    await pause(BREATH_MS);
  }
  looking = false;
}

// ---- the stream

let wait = 1000;

function linked(state, text) {
  element("link").dataset.link = state;
  element("link").textContent = text;
}

// A browser connects again by itself after a cut, but not after a refusal.
function listen() {
  const kinds = encodeURIComponent(CHANGES.join(","));
  const stream = new EventSource(`${STREAM}?type=${kinds}`);
  for (const kind of [...CHANGES, ...NOTICES]) stream.addEventListener(kind, refresh);
  stream.onopen = () => {
    wait = 1000;
    linked("live", "live");
    refresh();
  };
  stream.onerror = () => {
    linked("lost", "reconnecting");
    if (stream.readyState !== EventSource.CLOSED) return;
    setTimeout(listen, wait * (0.75 + Math.random() / 2));
    wait = Math.min(wait * 2, MOST_WAIT_MS);
  };
}

// ---- who decides, and the clock

function remembered(name) {
  try {
    if (name === undefined) return localStorage.getItem("synod.name") ?? "";
    localStorage.setItem("synod.name", name);
  } catch {
    // Where nothing may be stored, the name is asked for again.
  }
  return name ?? "";
}

element("name").value = remembered();
element("name").addEventListener("change", () => {
  const name = element("name").value.trim();
  remembered(name);
  if (name) element("name-fault").textContent = "";
  for (const card of cards.values()) if (!card.touched) card.suits(name);
});
element("older").addEventListener("click", () => {
  decidedLimit = Math.min(decidedLimit + STEP, MOST_DECIDED);
  refresh();
});
element("open").addEventListener("click", (event) => {
  if (event.target.dataset.is === "dismiss") refresh();
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) refresh();
});
setInterval(() => {
  const ticks = [...cards.values()].map((card) => !card.closed && card.tick(Date.now() + ahead));
  // The engine decides at the deadline; a moment later it can be told.
  if (ticks.includes(true)) setTimeout(refresh, 1500);
}, 1000);
setInterval(() => {
  if (!document.hidden) refresh();
}, REST_MS);
refresh();
listen();
