// What the cohort's page works out anew for the patients that were chosen. Arrays in, numbers out; nothing is drawn here.
// pairs: [days, event (0 or 1)] of each patient.
"use strict";

const Statistics = (() => {
  // Kaplan-Meier with the log-log (exponential Greenwood) band, as the drawn plots have it: [days, alive, low, high].
  const kaplanMeier = (pairs) => {
    const sorted = [...pairs].sort((a, b) => a[0] - b[0]);
    const steps = [[0, 1, 1, 1]];
    let at = sorted.length, alive = 1, sum = 0;
    for (let i = 0; i < sorted.length;) {
      const time = sorted[i][0];
      let events = 0, leave = 0;
      for (; i < sorted.length && sorted[i][0] === time; i++) { leave++; events += sorted[i][1]; }
      if (events) {
        alive *= 1 - events / at;
        sum += at > events ? events / (at * (at - events)) : 0;
        const spread = alive > 0 && alive < 1 ? 1.959964 * Math.sqrt(sum) / Math.log(alive) : 0;
        steps.push([time, alive, alive > 0 ? alive ** Math.exp(-spread) : 0, alive > 0 ? alive ** Math.exp(spread) : 0]);
      }
      at -= leave;
    }
    steps.push([sorted.at(-1)?.[0] ?? 1, ...steps.at(-1).slice(1)]);
    return steps;
  };
  const aliveAt = (steps, days) => steps.findLast((step) => step[0] <= days);

  // Series for the upper tail of chi-square (Abramowitz and Stegun 26.4.4 and 26.4.5, by recurrence over the degrees).
  const chiSquareTail = (value, degrees) => {
    let tail = degrees % 2 ? normalTail(value) : Math.exp(-value / 2);
    let term = degrees % 2 ? Math.sqrt(2 * value / Math.PI) * Math.exp(-value / 2) : Math.exp(-value / 2) * value / 2;
    for (let k = degrees % 2 ? 1 : 2; k < degrees; k += 2) { tail += term; term *= value / (k + 2); }
    return Math.min(1, tail);
  };
  // P(|Z| > sqrt(value)): the continued fraction of erfc in Lentz's form, its series near zero.
  const normalTail = (value) => {
    const x = Math.sqrt(value / 2);
    if (x < 2) {
      let term = x, sum = x;
      for (let n = 1; n < 80; n++) { term *= -x * x / n; sum += term / (2 * n + 1); }
      return 1 - 2 / Math.sqrt(Math.PI) * sum;
    }
    let fraction = 0;
    for (let n = 60; n > 0; n--) fraction = n / 2 / (x + fraction);
    return Math.exp(-x * x) / Math.sqrt(Math.PI) / (x + fraction);
  };

  // Log-rank test over groups of pairs: chi-square and p (Mantel's form, ties by the hypergeometric variance).
  const logRank = (groups) => {
    const size = groups.length - 1;
    const times = [...new Set(groups.flat().filter((pair) => pair[1]).map((pair) => pair[0]))].sort((a, b) => a - b);
    const excess = new Array(size).fill(0), spread = excess.map(() => new Array(size).fill(0));
    for (const time of times) {
      const at = groups.map((pairs) => pairs.filter((pair) => pair[0] >= time).length);
      const events = groups.map((pairs) => pairs.filter((pair) => pair[1] && pair[0] === time).length);
      const n = at.reduce((a, b) => a + b), d = events.reduce((a, b) => a + b);
      for (let i = 0; i < size; i++) {
        excess[i] += events[i] - d * at[i] / n;
        if (n > 1) for (let j = 0; j < size; j++) spread[i][j] += d * (n - d) / (n - 1) * at[i] / n * ((i === j) - at[j] / n);
      }
    }
    const solved = solve(spread, excess);
    if (!solved) return null;
    const value = excess.reduce((sum, one, i) => sum + one * solved[i], 0);
    return { value, p: chiSquareTail(value, size) };
  };
  const solve = (matrix, right) => {
    const rows = matrix.map((row, i) => [...row, right[i]]), n = rows.length;
    for (let c = 0; c < n; c++) {
      const pivot = rows.slice(c).reduce((best, _, k) => (Math.abs(rows[c + k][c]) > Math.abs(rows[best][c]) ? c + k : best), c);
      if (Math.abs(rows[pivot][c]) < 1e-12) return null;
      [rows[c], rows[pivot]] = [rows[pivot], rows[c]];
      for (let r = 0; r < n; r++) if (r !== c) {
        const factor = rows[r][c] / rows[c][c];
        for (let k = c; k <= n; k++) rows[r][k] -= factor * rows[c][k];
      }
    }
    return rows.map((row, i) => row[n] / row[i]);
  };

  // Harrell's C of risks (higher: earlier event): share of usable pairs in the right order, equal risks half; a pair is
  // usable when the earlier time is an event. Counted with a Fenwick tree over ranks of risk.
  const concordance = (pairs, risks) => {
    const order = pairs.map((_, i) => i).sort((a, b) => pairs[b][0] - pairs[a][0] || pairs[a][1] - pairs[b][1]);
    const levels = [...new Set(risks)].sort((a, b) => a - b);
    const rank = new Map(levels.map((risk, i) => [risk, i + 1]));
    const tree = new Array(levels.length + 1).fill(0);
    const add = (i) => { for (; i < tree.length; i += i & -i) tree[i]++; };
    const upTo = (i) => { let sum = 0; for (; i > 0; i -= i & -i) sum += tree[i]; return sum; };
    let right = 0, usable = 0, seen = 0;
    for (let start = 0; start < order.length;) {
      let end = start;
      while (end < order.length && pairs[order[end]][0] === pairs[order[start]][0]) end++;
      const tied = order.slice(start, end);
      // Of patients with one time, the censored ones lived longer than those with the event.
      for (const i of tied) if (!pairs[i][1]) { add(rank.get(risks[i])); seen++; }
      for (const i of tied) if (pairs[i][1]) {
        const below = upTo(rank.get(risks[i]) - 1), same = upTo(rank.get(risks[i])) - below;
        right += below + same / 2;
        usable += seen;
      }
      for (const i of tied) if (pairs[i][1]) { add(rank.get(risks[i])); seen++; }
      start = end;
    }
    return usable ? right / usable : null;
  };

  // Area under the ROC curve: share of (positive, negative) pairs in the right order, equal ones half.
  const area = (positive, negative) => {
    if (!positive.length || !negative.length) return null;
    const sorted = [...negative].sort((a, b) => a - b);
    const count = (value, orEqual) => {
      let low = 0, high = sorted.length;
      while (low < high) { const middle = (low + high) >> 1; if (orEqual ? sorted[middle] <= value : sorted[middle] < value) low = middle + 1; else high = middle; }
      return low;
    };
    return positive.reduce((sum, value) => sum + (count(value, false) + count(value, true)) / 2, 0) / positive.length / sorted.length;
  };

  // Mean with the 95 % interval of Student's t by its normal limit for many, wider for few (Cornish and Fisher's terms).
  const mean = (values) => {
    const n = values.length, middle = values.reduce((a, b) => a + b, 0) / n;
    if (n < 2) return { middle, low: null, high: null, n };
    const spread = Math.sqrt(values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / (n - 1) / n);
    const z = 1.959964, f = n - 1;
    const t = z + (z ** 3 + z) / (4 * f) + (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * f * f) + (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / (384 * f ** 3);
    return { middle, low: middle - t * spread, high: middle + t * spread, n };
  };

  return { kaplanMeier, aliveAt, logRank, chiSquareTail, concordance, area, mean };
})();
