// Lines over the last ten minutes, and the bars of a group of pictures, on canvases: redrawing a few hundred points costs less than keeping them as nodes.
import { el, say } from './dom.js';
import { niceTop, seconds_max } from './series.js';
import { clock } from './text.js';

/** A context in CSS pixels, cleared. @param {HTMLCanvasElement} canvas */
function prepare(canvas) {
  const { clientWidth: width, clientHeight: height } = canvas;
  const scale = window.devicePixelRatio || 1;
  const [w, h] = [Math.round(width * scale), Math.round(height * scale)];
  if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
  const context = canvas.getContext('2d');
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, height);
  const style = getComputedStyle(canvas);
  const colour = (name) => style.getPropertyValue(name).trim();
  context.font = `11px ${style.fontFamily}`;
  return { context, width, height, colour };
}

/** Charts that are read together: the pointer of one is the pointer of all. */
export class ChartGroup {
  charts = [];
  pointer = undefined; // seconds before now
  samples = [];

  /**
   * @param {string} title @param {string} hint what it is and how it is measured @param {(n: number) => string} format
   * @param {{key: string, colour?: string}} line
   */
  add(title, hint, format, line, least = 1) {
    const value = el('output', { class: 'value' });
    const canvas = el('canvas', { class: 'chart', role: 'img', tabindex: 0 });
    const node = el('figure', { class: 'chart-box', title: hint }, el('figcaption', {}, el('span', { text: title }), value), canvas);
    const chart = { title, format, line, least, value, canvas, top: 0 };
    canvas.addEventListener('pointermove', (e) => this.#point(canvas, e.offsetX));
    canvas.addEventListener('pointerleave', () => this.#point(canvas, undefined));
    canvas.addEventListener('blur', () => this.#point(canvas, undefined));
    canvas.addEventListener('keydown', (e) => {
      const step = { ArrowLeft: 5, ArrowRight: -5, Home: seconds_max, End: -seconds_max }[e.key];
      if (step === undefined) return;
      e.preventDefault();
      this.pointer = Math.min(seconds_max - 1, Math.max(0, (this.pointer ?? 0) + step));
      this.draw();
    });
    this.charts.push(chart);
    return node;
  }

  #point(canvas, x) {
    this.pointer = x === undefined ? undefined : Math.round((1 - x / canvas.clientWidth) * seconds_max);
    this.draw();
  }

  /** @param {any[]} samples oldest first */
  set(samples) {
    this.samples = samples;
    this.draw();
  }

  draw() {
    for (const chart of this.charts) if (chart.canvas.isConnected) this.#one(chart);
  }

  #one(chart) {
    const samples = this.samples;
    const { key } = chart.line;
    const now = samples.at(-1)?.at ?? 0;
    const at = this.pointer === undefined ? undefined : samples.find((s) => s.at === now - this.pointer);
    const shown = at ?? (this.pointer === undefined ? samples.at(-1) : undefined);
    say(chart.value, (at ? `${clock(at.at * 1000)}  ` : '') + (shown ? chart.format(shown[key]) : '–'));
    let most = 0;
    for (const s of samples) most = Math.max(most, s[key]);
    const top = Math.max(niceTop(most), chart.least);
    chart.canvas.setAttribute('aria-label', samples.length === 0 ? `${chart.title}: nothing yet`
      : `${chart.title} of the last ${Math.ceil(samples.length / 60)} minutes: now ${chart.format(samples.at(-1)[key])}, at most ${chart.format(most)}`);

    const { context: c, width, height, colour } = prepare(chart.canvas);
    const floor = height - 15, ceiling = 4;
    const x = (t) => width - ((now - t) / seconds_max) * width;
    const y = (v) => floor - (v / top) * (floor - ceiling);
    c.lineWidth = 1;
    c.strokeStyle = colour('--grid');
    c.fillStyle = colour('--muted');
    c.beginPath();
    for (const part of [0, 0.5, 1]) {
      const line = Math.round(y(top * part)) + 0.5;
      c.moveTo(0, line);
      c.lineTo(width, line);
    }
    c.stroke();
    c.textAlign = 'left';
    c.textBaseline = 'top';
    c.fillText(chart.format(top), 3, ceiling + 3);
    c.textBaseline = 'bottom';
    for (const minutes of [10, 5]) c.fillText(`−${minutes} min`, minutes === 10 ? 3 : width / 2 + 3, height - 1);
    c.textAlign = 'right';
    c.fillText('now', width - 3, height - 1);

    // A gap in time is a gap in the line.
    const ink = colour(chart.line.colour ?? '--accent');
    const runs = [];
    for (const s of samples) {
      const run = runs.at(-1);
      if (run && s.at - run.at(-1).at <= 3) run.push(s); else runs.push([s]);
    }
    for (const run of runs) {
      c.beginPath();
      run.forEach((s, i) => (i ? c.lineTo(x(s.at), y(s[key])) : c.moveTo(x(s.at), y(s[key]))));
      c.strokeStyle = ink;
      c.lineWidth = 1.5;
      c.lineJoin = 'round';
      c.stroke();
      c.lineTo(x(run.at(-1).at), floor);
      c.lineTo(x(run[0].at), floor);
      c.closePath();
      c.globalAlpha = 0.13;
      c.fillStyle = ink;
      c.fill();
      c.globalAlpha = 1;
    }
    if (at) {
      c.strokeStyle = colour('--text');
      c.lineWidth = 1;
      c.beginPath();
      c.moveTo(x(at.at), ceiling);
      c.lineTo(x(at.at), floor);
      c.stroke();
      c.beginPath();
      c.arc(x(at.at), y(at[key]), 3, 0, 7);
      c.fillStyle = ink;
      c.fill();
    }
  }
}

/** Sizes of the frames over their times. `span` keeps the axis still while a group grows. @param {HTMLCanvasElement} canvas @param {any[]} frames */
export function drawGroup(canvas, frames, span) {
  const { context: c, width, height, colour } = prepare(canvas);
  const media = frames.filter((f) => !f.config && (f.kind === 'video' || f.kind === 'audio'));
  if (media.length === 0) return;
  const video = media.filter((f) => f.kind === 'video');
  const first = media[0].dts_ms;
  const top = niceTop(Math.max(...video.map((f) => f.bytes), 1));
  const floor = height - 26, ceiling = 4;
  const x = (f) => ((f.dts_ms - first) / span) * width;
  const bar = Math.max(1.5, Math.min(14, (width / Math.max(1, (video.length * span) / Math.max(1, span))) * 0.7));
  c.strokeStyle = colour('--grid');
  c.beginPath();
  for (const part of [0, 0.5, 1]) {
    const line = Math.round(floor - part * (floor - ceiling)) + 0.5;
    c.moveTo(0, line);
    c.lineTo(width, line);
  }
  c.stroke();
  for (const f of media) {
    if (f.kind === 'audio') {
      c.fillStyle = colour('--audio');
      c.fillRect(x(f), floor + 4, 1.5, 6);
      continue;
    }
    c.fillStyle = colour(f.key ? '--key' : f.disposable ? '--disposable' : '--accent');
    const tall = Math.max(1, (f.bytes / top) * (floor - ceiling));
    c.fillRect(x(f), floor - tall, bar, tall);
  }
  c.fillStyle = colour('--muted');
  c.textBaseline = 'top';
  c.textAlign = 'right';
  c.fillText(`${top >= 1000 ? `${top / 1000} kB` : `${top} B`}`, width - 3, ceiling + 3);
  c.textBaseline = 'bottom';
  c.fillText(`${(span / 1000).toFixed(2)} s`, width - 3, height - 1);
  c.textAlign = 'left';
  c.fillText('0 s', 3, height - 1);
}
