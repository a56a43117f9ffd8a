// The player of a stream's page: HTTP-FLV by mpegts.js, or HLS by hls.js, part by part or by whole segments. It comes back by itself when a stream does.
import { el, mark, say, show } from './dom.js';
import { obstacle } from './codecs.js';
import { load, loaderOf } from './loader.js';
import { streamPath } from './text.js';

const retries_ms = [1_000, 2_000, 4_000, 8_000];

export class Player {
  #name;
  #kind = 'flv';
  #stop = () => {};
  #timer;
  #failures = 0;
  #stream;
  #closed = false;

  constructor(name) {
    this.#name = name;
    this.video = el('video', { controls: true, playsinline: true, 'aria-label': 'Live picture' });
    this.video.muted = true; // browsers let nothing else begin by itself
    this.message = el('p', { class: 'player-message', role: 'status' });
    const choice = (kind, text, title) => {
      const input = el('input', { type: 'radio', name: 'player', value: kind, on: { change: () => this.#choose(kind) } });
      input.checked = kind === this.#kind;
      return el('label', { title }, input, el('span', { text }));
    };
    this.facts = el('span', { class: 'player-facts' });
    this.node = el('div', { class: 'player' },
      el('div', { class: 'screen' }, this.video, this.message),
      el('div', { class: 'player-bar' },
        el('fieldset', { class: 'choice' }, el('legend', { class: 'unseen', text: 'Protocol' }),
          choice('flv', 'FLV', 'HTTP-FLV: about a second behind'), choice('hls', 'LL-HLS', 'HLS with low latency, part by part: one to two seconds behind'),
          choice('segments', 'HLS', 'HLS by whole segments, as players without low latency have it: furthest behind')),
        this.facts));
    this.video.addEventListener('playing', () => {
      this.#failures = 0;
      this.#tell('');
    });
    this.#tell('Connecting …');
  }

  /** Once a second, with what the API says. */
  update(stream) {
    const before = this.#stream;
    this.#stream = stream;
    const changed = before?.video_codec !== stream.video_codec || before?.audio_codec !== stream.audio_codec;
    if (!before || changed || (stream.published && !before.published)) this.#start();
    const d = this.delay();
    const v = this.video;
    const quality = v.getVideoPlaybackQuality?.();
    say(this.facts, v.videoWidth > 0 ? `${v.videoWidth} × ${v.videoHeight}, ${d === undefined ? '' : `buffer ${d.toFixed(1)} s, `}${quality?.droppedVideoFrames ?? 0} dropped` : '');
  }

  /** What waits in this browser, in seconds. */
  delay() {
    const v = this.video;
    const n = v.buffered.length;
    return n > 0 && v.readyState > 1 ? Math.max(0, v.buffered.end(n - 1) - v.currentTime) : undefined;
  }

  close() {
    this.#closed = true;
    this.#end();
  }

  #choose(kind) {
    this.#kind = kind;
    this.#failures = 0;
    this.#start();
  }

  #end() {
    clearTimeout(this.#timer);
    const stop = this.#stop;
    this.#stop = () => {};
    stop();
  }

  #tell(text, level = '') {
    say(this.message, text);
    show(this.message, text !== '');
    mark(this.message, 'level', level);
  }

  #fail(text, lasting = false) {
    this.#end();
    this.#tell(text, lasting ? 'bad' : 'warn');
    if (lasting) return;
    const wait = retries_ms[Math.min(this.#failures, retries_ms.length - 1)];
    this.#failures += 1;
    this.#timer = setTimeout(() => this.#start(), wait);
  }

  async #start() {
    this.#end();
    if (this.#closed || !this.#stream) return;
    if (!this.#stream.published) return this.#tell('Nobody publishes this stream now. The picture comes by itself when somebody does.');
    const why = obstacle(this.#stream);
    if (why) return this.#fail(why, true);
    this.#tell('Connecting …');
    let wanted = true;
    this.#stop = () => { wanted = false; };
    try {
      const begin = this.#kind === 'flv' ? await this.#flv(() => wanted) : await this.#hls(() => wanted);
      if (!wanted) return begin?.();
      this.#stop = () => { wanted = false; begin?.(); };
      await this.video.play().catch(() => {}); // stopped again, or the browser wants a click: it shows its button
    } catch (error) {
      if (wanted) this.#fail(`The player could not be loaded: ${error instanceof Error ? error.message : error}`);
    }
  }

  async #flv(wanted) {
    const mpegts = await load();
    if (!wanted()) return undefined;
    const { video_codec: video, audio_codec: audio } = this.#stream;
    const player = mpegts.createPlayer(
      { type: 'flv', isLive: true, url: `${location.origin}${streamPath(this.#name)}.flv`, hasVideo: Boolean(video) || !audio, hasAudio: Boolean(audio) || !video },
      // No worker: one stream costs the page little, and a worker out of a string is what a content security policy is there to stop.
      { customLoader: loaderOf(mpegts), enableWorker: false, enableStashBuffer: false, liveSync: true, liveSyncMaxLatency: 1.5, liveSyncTargetLatency: 0.7, liveSyncPlaybackRate: 1.1,
        autoCleanupSourceBuffer: true, autoCleanupMaxBackwardDuration: 30, autoCleanupMinBackwardDuration: 15 });
    player.on(mpegts.Events.ERROR, (kind, detail, info) => {
      if (!wanted()) return;
      if (kind === mpegts.ErrorTypes.NETWORK_ERROR) {
        this.#fail(info?.code === 404 ? 'Nobody publishes this stream now. Trying again …' : info?.code === 403 ? 'The server does not let this address play.' : 'The connection of the player broke. Trying again …');
      } else {
        this.#fail(`The browser cannot play this (${detail}).`, detail === mpegts.ErrorDetails.MEDIA_CODEC_UNSUPPORTED);
      }
    });
    player.on(mpegts.Events.LOADING_COMPLETE, () => { if (wanted()) this.#fail('The server ended the player’s connection. Trying again …'); });
    player.attachMediaElement(this.video);
    player.load();
    return () => player.destroy();
  }

  async #hls(wanted) {
    const url = `${streamPath(this.#name)}.m3u8`;
    const there = await fetch(url, { cache: 'no-store' });
    if (!wanted()) return undefined;
    if (!there.ok) {
      this.#fail(there.status === 404 ? 'There is no HLS of this stream (yet). Trying again …' : `The server answers the HLS playlist with ${there.status}. Trying again …`);
      return undefined;
    }
    const { default: Hls } = await import('hls.js');
    if (!wanted()) return undefined;
    if (!Hls.isSupported()) { // Safari on a phone plays it by itself
      this.video.src = url;
      return () => { this.video.removeAttribute('src'); this.video.load(); };
    }
    // By segments the player begins two of them behind the newest: with three, which is what hls.js does by itself, it would be three and what the
    // encoder and the newest one take behind what happens.
    const player = new Hls({ enableWorker: false, backBufferLength: 15, ...(this.#kind === 'hls' ? { lowLatencyMode: true } : { lowLatencyMode: false, liveSyncDurationCount: 2 }) });
    player.on(Hls.Events.ERROR, (_, data) => {
      if (!wanted() || !data.fatal) return;
      this.#fail(data.type === Hls.ErrorTypes.MEDIA_ERROR ? `The browser cannot play this (${data.details}).` : 'The connection of the player broke. Trying again …');
    });
    player.loadSource(url);
    player.attachMedia(this.video);
    return () => player.destroy();
  }
}
