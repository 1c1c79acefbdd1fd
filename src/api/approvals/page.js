// The page of approvals: lists what is open, and sends what is decided. What comes from others is
// only ever set as text, never as markup.
"use strict";

const LIST = "/api/v1/approvals?limit=200";
const AGAIN_MS = 5000;
const place = document.getElementById("approvals");
const standing = document.getElementById("standing");
const template = document.getElementById("approval");
const shown = new Map();

function text(element, selector, value) {
  element.querySelector(selector).textContent = value;
}

function draw(approval) {
  const article = template.content.firstElementChild.cloneNode(true);
  text(article, "h2", approval.question);
  text(article, ".where",
    `${approval.workflow}, step ${approval.step}, run ${approval.run_id}`);
  const who = approval.deciders.length ? approval.deciders.join(", ") : "anybody";
  const until = approval.deadline ? `, until ${new Date(approval.deadline).toLocaleString()}` : "";
  text(article, ".who", `${approval.needed} of ${who}${until}`);
  const payload = article.querySelector(".payload");
  const area = payload.querySelector("textarea");
  area.value = JSON.stringify(approval.payload, null, 2);
  area.readOnly = !approval.editable;
  payload.hidden = approval.payload === null;
  article.querySelector(".role").hidden =
    !approval.deciders.some((decider) => decider.startsWith("role:"));
  for (const verdict of ["approve", "reject"]) {
    article.querySelector(`.${verdict}`)
      .addEventListener("click", () => decide(approval, verdict, article));
  }
  return article;
}

async function decide(approval, verdict, article) {
  const buttons = article.querySelectorAll("button");
  const decision = { verdict };
  const reason = article.querySelector(".reason").value.trim();
  const role = article.querySelector(".role input").value.trim();
  if (reason) decision.reason = reason;
  if (role) decision.role = role;
  text(article, ".told", "");
  try {
    if (approval.editable && verdict === "approve") {
      decision.payload = JSON.parse(article.querySelector("textarea").value);
    }
  } catch (error) {
    text(article, ".told", `Not JSON: ${error.message}`);
    return;
  }
  buttons.forEach((button) => { button.disabled = true; });
  try {
    const answer = await fetch(`/api/v1/approvals/${encodeURIComponent(approval.id)}/decide`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(decision),
    });
    if (!answer.ok) {
      const problem = await answer.json();
      throw new Error(problem.detail || problem.title);
    }
    await look();
  } catch (error) {
    text(article, ".told", error.message);
  }
  buttons.forEach((button) => { button.disabled = false; });
}

async function look() {
  const answer = await fetch(LIST);
  const page = await answer.json();
  if (!answer.ok) throw new Error(page.detail || page.title);
  const open = new Set(page.approvals.map((approval) => approval.id));
  for (const [id, article] of shown) {
    if (!open.has(id)) {
      article.remove();
      shown.delete(id);
    }
  }
  // What somebody is writing into stays as it is.
  for (const approval of page.approvals) {
    if (!shown.has(approval.id)) {
      const article = draw(approval);
      shown.set(approval.id, article);
      place.append(article);
    }
  }
  const more = page.next ? " at least" : "";
  standing.textContent = open.size ? `${open.size}${more} open` : "Nobody is asked anything.";
}

async function watch() {
  try {
    await look();
  } catch (error) {
    standing.textContent = `The node does not answer: ${error.message}`;
  }
  setTimeout(watch, AGAIN_MS);
}

watch();
