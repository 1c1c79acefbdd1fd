// Values as people read them: JSON without loss, times, the difference of two texts.

// Numbers keep the digits that they came with: 9007199254740993 stays what it is.
function exact(_, value, from) {
  const lossy = typeof value === "number" && from && JSON.rawJSON;
  return lossy && String(value) !== from.source ? JSON.rawJSON(from.source) : value;
}

export function parse(text) {
  return JSON.parse(text, exact);
}

export function pretty(value) {
  return JSON.stringify(value, null, 2);
}

// Why a text is not JSON, with line and column where the browser tells the place; or nothing.
export function fault(text) {
  if (!text.trim()) return "expected a JSON value, got nothing";
  try {
    parse(text);
    return "";
  } catch (error) {
    const told = /^(.*?)(?:,? in JSON)? at position (\d+)/s.exec(error.message);
    if (!told) return error.message;
    const before = text.slice(0, Number(told[2])).split("\n");
    return `Line ${before.length}, column ${before.at(-1).length + 1}: ${told[1]}`;
  }
}

// A span of time in its two largest units: "2 d 3 h", "4 min 9 s".
export function span(ms) {
  let seconds = Math.max(0, Math.ceil(ms / 1000));
  const parts = [];
  for (const [unit, size] of [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]]) {
    const count = Math.floor(seconds / size);
    seconds -= count * size;
    if (count || parts.length) parts.push(`${count} ${unit}`);
    if (parts.length === 2) break;
  }
  return parts.filter((part, at) => at === 0 || !part.startsWith("0 ")).join(" ") || "0 s";
}

const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

export function when(text) {
  return moment.format(new Date(text));
}

// A <time> with the full time, as the reader's clock shows it.
export function time(text) {
  const element = document.createElement("time");
  element.dateTime = text;
  element.textContent = when(text);
  return element;
}

// Most lines of two texts whose difference is looked for line by line.
const MOST = 1000;

// Two texts line by line: [[mark, line], ...] of each; mark is "same", "gone" or "come".
export function difference(before, after) {
  const [a, b] = [before.split("\n"), after.split("\n")];
  if (a.length > MOST || b.length > MOST) {
    return [a.map((line) => ["same", line]), b.map((line) => ["same", line])];
  }
  // The longest common subsequence, from the end, so that it can be followed from the start.
  const longest = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      longest[i][j] = a[i] === b[j]
        ? longest[i + 1][j + 1] + 1
        : Math.max(longest[i + 1][j], longest[i][j + 1]);
    }
  }
  const [left, right] = [[], []];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      left.push(["same", a[i++]]);
      right.push(["same", b[j++]]);
    } else if (j >= b.length || (i < a.length && longest[i + 1][j] >= longest[i][j + 1])) {
      left.push(["gone", a[i++]]);
    } else {
      right.push(["come", b[j++]]);
    }
  }
  return [left, right];
}
