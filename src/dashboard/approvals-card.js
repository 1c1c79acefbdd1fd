// One approval on the page: a card with a form while it is open, a short entry once it is decided.
// What comes from outside is only ever set as text.
import { difference, fault, parse, pretty, span, time, when } from "./approvals-value.js";

const SOON_MS = 3600000;
const NOW_MS = 300000;
const MOST_ROWS = 18;

// A copy of a template, and its parts by the names that it gives them.
function copy(template) {
  const element = document.getElementById(template).content.firstElementChild.cloneNode(true);
  const parts = {};
  for (const part of element.querySelectorAll("[data-is]")) parts[part.dataset.is] = part;
  return { element, parts };
}

function bit(tag, text, kind) {
  const element = document.createElement(tag);
  element.textContent = text;
  if (kind) element.className = kind;
  return element;
}

function where(place, approval) {
  const run = bit("a", `run ${approval.run_id.slice(0, 8)}…${approval.run_id.slice(-4)}`);
  run.href = `/api/v1/workflows/${encodeURIComponent(approval.run_id)}`;
  run.title = approval.run_id;
  run.target = "_blank";
  run.rel = "noopener";
  place.replaceChildren(bit("b", approval.workflow), " · step ", bit("b", approval.step), " · ",
    run, " · asked ", time(approval.requested_at));
}

// "user:ada" is ada; who did not say a name is somebody.
export function person(by) {
  return by.startsWith("user:") ? by.slice(5) : by === "anonymous" ? "somebody" : by;
}

function decisions(place, approval) {
  place.replaceChildren(...approval.decisions.map((said) => {
    const yes = said.verdict === "approve";
    const line = document.createElement("li");
    line.className = yes ? "approve-mark" : "reject-mark";
    line.append(yes ? "✓ " : "✗ ", bit("b", person(said.by)),
      yes ? " approved · " : " rejected · ", time(said.at));
    if (said.reason) line.append(" · ", bit("q", said.reason));
    return line;
  }));
}

// Who may decide: the names and the roles.
function deciders(approval) {
  const roles = approval.deciders.filter((one) => one.startsWith("role:"));
  const people = approval.deciders.filter((one) => !one.startsWith("role:"));
  return { people, roles: roles.map((one) => one.slice(5)) };
}

export class Card {
  #parts;
  #base = "";
  #asking = false;
  #closed = false;
  #hadFocus = false;
  #overdue = false;

  constructor(approval, decide) {
    const { element, parts } = copy("card");
    this.element = element;
    this.#parts = parts;
    for (const [field, label] of [["editor", "payload-label"], ["reason", "reason-label"],
      ["role", "role-label"]]) {
      parts[field].id = `${field}-${approval.id}`;
      parts[label].htmlFor = parts[field].id;
    }
    parts.question.id = `question-${approval.id}`;
    parts["payload-fault"].id = `fault-${approval.id}`;
    parts.editor.setAttribute("aria-describedby", parts["payload-fault"].id);
    element.setAttribute("aria-labelledby", parts.question.id);
    parts.form.setAttribute("aria-labelledby", parts.question.id);
    parts.editor.addEventListener("input", () => this.#edited());
    parts.reset.addEventListener("click", () => this.#suggest());
    parts.approve.addEventListener("click", () => decide(this, "approve"));
    parts.reject.addEventListener("click", () => decide(this, "reject"));
    parts.dismiss.addEventListener("click", () => this.remove());
    this.show(approval);
  }

  // How it stands now. What somebody is writing stays.
  show(approval) {
    const parts = this.#parts;
    const base = pretty(approval.decided_payload ?? approval.payload);
    const untouched = !this.approval || parts.editor.value === this.#base;
    this.approval = approval;
    parts.question.textContent = approval.question;
    where(parts.where, approval);
    decisions(parts.decisions, approval);
    this.#showTerms();
    this.#showRoles();
    parts.payload.hidden = approval.payload === null && !approval.editable;
    parts["payload-label"].textContent = approval.editable
      ? "Suggestion, which you may change (JSON)"
      : "What it is about";
    parts.editor.readOnly = !approval.editable;
    this.#base = base;
    if (untouched) this.#suggest();
    else this.#edited();
  }

  #showTerms() {
    const { people, roles } = deciders(this.approval);
    const chips = [...people.map((name) => bit("span", name, "chip")),
      ...roles.map((role) => bit("span", role, "chip role"))];
    const { who, pips } = this.#parts;
    who.replaceChildren("Who may decide: ", ...(chips.length ? chips : ["anybody"]));
    const needed = this.approval.needed;
    const given = this.approval.decisions.filter((said) => said.verdict === "approve").length;
    pips.replaceChildren();
    for (let at = 0; needed > 1 && needed <= 12 && at < needed; at++) {
      const pip = bit("span", "", at < given ? "pip full" : "pip");
      pip.setAttribute("aria-hidden", "true");
      pips.append(pip);
    }
    pips.append(needed > 1 ? `${given} of ${needed} approvals` : "one approval is enough");
  }

  #showRoles() {
    const { people, roles } = deciders(this.approval);
    const { role } = this.#parts;
    const chosen = role.value;
    const options = roles.map((one) => new Option(`in the role ${one}`, one));
    if (people.length) options.unshift(new Option("by my name", ""));
    role.replaceChildren(...options);
    if (options.some((option) => option.value === chosen)) role.value = chosen;
    this.#parts["role-field"].hidden = roles.length === 0;
  }

  // Whoever is not named may still have a role.
  suits(name) {
    const { people, roles } = deciders(this.approval);
    if (people.length && roles.length) {
      this.#parts.role.value = people.includes(name) ? "" : roles[0];
    }
  }

  #suggest() {
    const { editor } = this.#parts;
    editor.value = this.#base;
    editor.rows = Math.min(MOST_ROWS, Math.max(2, this.#base.split("\n").length));
    this.#edited();
  }

  #edited() {
    const { editor, edited, reset, approve } = this.#parts;
    const why = this.approval.editable ? fault(editor.value) : "";
    this.#parts["payload-fault"].textContent = why && `Not JSON yet. ${why}`;
    editor.setAttribute("aria-invalid", why ? "true" : "false");
    reset.hidden = editor.value === this.#base;
    edited.hidden = !why && !this.#changed();
    approve.textContent = edited.hidden ? "Approve" : "Approve with changes";
  }

  // Spaces alone are no change.
  #changed() {
    return pretty(parse(this.#parts.editor.value)) !== this.#base;
  }

  // What is to be sent; nothing if what was written can't be.
  draft(verdict, by) {
    const { editor, reason, role } = this.#parts;
    const draft = { verdict, by };
    if (verdict === "approve" && this.approval.editable) {
      if (fault(editor.value)) {
        editor.focus();
        return null;
      }
      if (this.#changed()) draft.payload = parse(editor.value);
    }
    if (reason.value.trim()) draft.reason = reason.value.trim();
    if (role.value) draft.role = role.value;
    return draft;
  }

  // Says something in the card: "good", "bad", or "" for a warning.
  tell(kind, title, text) {
    const { notice } = this.#parts;
    notice.className = `notice ${kind}`;
    this.#parts["notice-title"].textContent = title;
    this.#parts["notice-text"].textContent = text;
    notice.hidden = false;
    if (this.#hadFocus) notice.focus();
    this.#hadFocus = false;
  }

  hush() {
    this.#parts.notice.hidden = true;
  }

  // While the node is asked. The buttons keep the focus: a disabled one would lose it.
  busy(on) {
    this.#asking = on;
    const { approve, reject } = this.#parts;
    for (const button of [approve, reject]) button.setAttribute("aria-disabled", on);
  }

  get asking() {
    return this.#asking;
  }

  // It can't be decided here any more; it stays to be read until it is put away.
  close() {
    this.#closed = true;
    this.#hadFocus = this.element.contains(document.activeElement);
    this.element.classList.add("closed");
    for (const field of this.#parts.form.querySelectorAll("input, select, textarea, button")) {
      field.disabled = true;
    }
    this.#parts.countdown.hidden = true;
    this.#parts.dismiss.hidden = false;
  }

  get closed() {
    return this.#closed;
  }

  // Somebody has begun to write here.
  get touched() {
    const { editor, reason } = this.#parts;
    return editor.value !== this.#base || reason.value !== "";
  }

  focus() {
    this.#parts.question.focus();
  }

  remove() {
    const hadFocus = this.element.contains(document.activeElement);
    const next = this.element.nextElementSibling ?? this.element.previousElementSibling;
    this.element.remove();
    if (hadFocus) (next?.querySelector("h3") ?? document.getElementById("open-title")).focus();
  }

  // The time that is left; true once, when there is none any more.
  tick(now) {
    const { countdown } = this.#parts;
    if (!this.approval.deadline) {
      countdown.textContent = "no deadline";
      return false;
    }
    const left = Date.parse(this.approval.deadline) - now;
    countdown.title = `until ${when(this.approval.deadline)}`;
    countdown.textContent = left > 0 ? `${span(left)} left` : "the deadline has passed";
    countdown.dataset.near = left <= NOW_MS ? "now" : left <= SOON_MS ? "soon" : "";
    const first = left <= 0 && !this.#overdue;
    this.#overdue = left <= 0;
    return first;
  }
}

// When it was decided, as far as it is told.
export function decidedAt(approval) {
  return approval.decisions.at(-1)?.at ?? approval.deadline ?? approval.requested_at;
}

const BY_ITSELF = {
  approved: "Nobody decided in time, which counts as a yes",
  rejected: "Nobody decided in time, which counts as a no",
  expired: "Nobody decided in time",
  withdrawn: "The run went on without it",
};

function lines(place, marked) {
  const signs = { gone: "−", come: "+", same: "" };
  place.replaceChildren(...marked.map(([mark, line]) => {
    const element = bit("span", line, mark);
    element.dataset.mark = signs[mark];
    return element;
  }));
}

// The entry of an approval that is no longer open.
export function entry(approval) {
  const { element, parts } = copy("done");
  parts.question.id = `decided-${approval.id}`;
  element.setAttribute("aria-labelledby", parts.question.id);
  parts.question.textContent = approval.question;
  parts.state.textContent = approval.state;
  parts.state.dataset.state = approval.state;
  where(parts.where, approval);
  decisions(parts.decisions, approval);
  const decided = approval.decisions.length > 0;
  if (!decided || approval.state === "expired" || approval.state === "withdrawn") {
    const line = bit("li", BY_ITSELF[approval.state] ?? approval.state);
    if (approval.deadline && approval.state !== "withdrawn") {
      line.append(" · ", time(approval.deadline));
    }
    parts.decisions.append(line);
  }
  const suggestion = pretty(approval.payload);
  if (approval.decided_payload !== undefined) {
    const [left, right] = difference(suggestion, pretty(approval.decided_payload));
    lines(parts.suggested, left);
    lines(parts.chosen, right);
    parts.sides.hidden = false;
  } else if (approval.payload !== null) {
    lines(parts.suggestion, suggestion.split("\n").map((line) => ["same", line]));
    parts["as-suggested-title"].textContent =
      approval.state === "approved" ? "Approved as it was suggested" : "What was suggested";
    parts["as-suggested"].hidden = false;
  }
  return element;
}
