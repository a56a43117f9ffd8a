// Still pictures of many streams, cheaply: the server sends one key frame and what follows it (?picture), the browser decodes it, and only what can be seen is asked for,
// no more than two at once.
import { canPlay } from './codecs.js';
import { load, loaderOf } from './loader.js';
import { streamPath } from './text.js';

const at_once = 2;
const again_ms = 10_000;
const failed_ms = 20_000;
const patience_ms = 6_000;

/** @param {string} url @param {HTMLCanvasElement} canvas */
async function grab(url, canvas) {
  const mpegts = await load();
  const video = document.createElement('video');
  video.muted = true;
  video.playsInline = true;
  // As configured by default it begins to load when the media source is open. Data that comes before that can put mpegts.js 1.8 into an endless loop.
  const player = mpegts.createPlayer({ type: 'flv', isLive: true, url, hasAudio: false, hasVideo: true },
    { customLoader: loaderOf(mpegts), enableWorker: false, enableStashBuffer: false, lazyLoad: false });
  let timer;
  try {
    await new Promise((done, failed) => {
      timer = setTimeout(() => failed(new Error('no picture in time')), patience_ms);
      video.addEventListener('loadeddata', done, { once: true });
      video.addEventListener('error', () => failed(new Error('not decoded')), { once: true });
      player.on(mpegts.Events.ERROR, (kind, detail) => failed(new Error(`${kind}: ${detail}`)));
      player.attachMediaElement(video);
      player.load();
    });
    const { width, height } = canvas;
    const context = canvas.getContext('2d');
    const scale = Math.min(width / video.videoWidth, height / video.videoHeight);
    const [w, h] = [video.videoWidth * scale, video.videoHeight * scale];
    context.clearRect(0, 0, width, height);
    context.drawImage(video, (width - w) / 2, (height - h) / 2, w, h);
  } catch (error) {
    // Of a media source that closed by itself the library forgets no listener: what is under way comes to its end first.
    await new Promise((done) => setTimeout(done, 500));
    throw error;
  } finally {
    clearTimeout(timer);
    player.destroy();
    video.removeAttribute('src');
  }
}

export class Previews {
  #all = new Map(); // canvas -> what is known of it
  #running = 0;
  #timer;
  #sight = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      const one = this.#all.get(entry.target);
      if (one) one.seen = entry.isIntersecting;
    }
    this.#turn();
  }, { rootMargin: '60px' });

  constructor() {
    this.#timer = setInterval(() => this.#turn(), 500);
  }

  /** @param {HTMLCanvasElement} canvas @param {(drawn: boolean) => void} told */
  watch(canvas, name, told) {
    this.#all.set(canvas, { name, told, seen: false, due: 0, busy: false, wanted: false });
    this.#sight.observe(canvas);
  }

  /** Whether there is anything to see. */
  want(canvas, stream) {
    const one = this.#all.get(canvas);
    if (one) one.wanted = stream.published && canPlay(stream.video_codec);
  }

  unwatch(canvas) {
    this.#sight.unobserve(canvas);
    this.#all.delete(canvas);
  }

  close() {
    clearInterval(this.#timer);
    this.#sight.disconnect();
    this.#all.clear();
  }

  #turn() {
    if (document.hidden) return;
    const now = performance.now();
    const due = [...this.#all].filter(([, one]) => one.seen && one.wanted && !one.busy && one.due <= now).sort((a, b) => a[1].due - b[1].due);
    for (const [canvas, one] of due) {
      if (this.#running >= at_once) return;
      this.#running += 1;
      one.busy = true;
      grab(`${location.origin}${streamPath(one.name)}.flv?picture`, canvas).then(() => true, () => false).then((drawn) => {
        this.#running -= 1;
        one.busy = false;
        one.due = performance.now() + (drawn ? again_ms : failed_ms);
        if (this.#all.get(canvas) === one) one.told(drawn);
        this.#turn();
      });
    }
  }
}
