// What to type into which program, for a stream's name. Pure.
import { shellWord, streamPath } from './text.js';

const standard = { rtmp: 1935, rtmps: 443, rtmpq: 1935, http: 80, https: 443 };

/** What is wrong with a name, as the server sees it; nothing if it may be. @param {string} name */
export function badName(name) {
  if (name === '') return 'A name is needed, such as live/studio.';
  if (name.startsWith('/')) return 'A name does not begin with a slash.';
  if (!name.includes('/') || name.endsWith('/')) return 'A name has two parts: application/stream, such as live/studio.';
  if (name.split('/').some((part) => part === '.' || part === '..' || part === '')) return 'No part of a name may be empty, “.” or “..”.';
  if (/[\u0000-\u001f\u007f-\u009f]/u.test(name)) return 'A name has no control characters.';
  if (/[?#\s'"\\&%]/u.test(name)) return 'It may be so, but not every encoder can be told such a name: letters, digits, “-” and “_” are safe.';
  return undefined;
}

/** The port for each scheme, out of "rtmp://[::]:1935" and so on. @param {string[]} listen */
export function ports(listen) {
  const out = {};
  for (const address of listen ?? []) {
    const match = /^([a-z]+):\/\/(.*):(\d+)$/.exec(address);
    if (match && out[match[1]] === undefined) out[match[1]] = { port: Number(match[3]), loopback: /^(127\.|\[::1\]|localhost)/.test(match[2]) };
  }
  return out;
}

/** Whether a key's pattern covers a name: * stands for any characters. @param {string} pattern @param {string} name */
export function matches(pattern, name) {
  return new RegExp(`^${pattern.split('*').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('[^]*')}$`, 'u').test(name);
}

const hostPort = (scheme, host, port) => (port === standard[scheme] ? host : `${host}:${port}`);

/** @param {{name: string, host: string, listen: string[], pin?: string, key?: string, origin: string}} what */
export function addresses({ name, host, listen, pin, key, origin }) {
  const at = ports(listen);
  const cut = name.lastIndexOf('/');
  const [app, stream] = [name.slice(0, cut), name.slice(cut + 1)];
  const path = streamPath(name);
  const url = (scheme) => `${scheme}://${hostPort(scheme, host, at[scheme].port)}/${name}`;
  // A name stands in an RTMP URI as it is: nobody decodes it (doc/protocol/uri.md).
  const query = (...members) => (members.some(Boolean) ? `?${members.filter(Boolean).join('&')}` : '');
  const secret = key && `key=${key}`;
  const pinned = (scheme, more) => url(scheme) + query(pin && `pin=${pin}`, more);
  const streamKey = stream + query(secret);
  const publish = [], play = [];
  if (at.rtmp) {
    publish.push({ title: 'OBS Studio', how: 'Settings → Stream → Service “Custom …”. A key frame every 1 or 2 s, no B-frames for the least delay.',
      rows: [['Server', `rtmp://${hostPort('rtmp', host, at.rtmp.port)}/${app}`], ['Stream key', streamKey]] });
    publish.push({ title: 'FFmpeg', how: 'A file, at the pace of its clock; -c copy for what is H.264 and AAC already.',
      rows: [['Command', `ffmpeg -re -i INPUT -c:v libx264 -preset veryfast -tune zerolatency -g 60 -c:a aac -f flv ${shellWord(url('rtmp') + query(secret))}`]] });
  }
  if (at.rtmpq) {
    publish.push({ title: 'millrace push, over QUIC', how: 'What a bad link does to TCP does less to it: sound does not wait for pictures, and what comes too late is left out.',
      rows: [['Command', `millrace push INPUT ${shellWord(pinned('rtmpq', secret))}`]] });
    publish.push({ title: 'Any encoder, over QUIC', how: 'A bridge beside the encoder: it takes RTMP on 127.0.0.1 and sends it on over QUIC.',
      rows: [['Command', `millrace bridge ${shellWord(`rtmpq://${hostPort('rtmpq', host, at.rtmpq.port)}${pin ? `?pin=${pin}` : ''}`)}`], ['Server', `rtmp://127.0.0.1/${app}`], ['Stream key', streamKey]] });
  }
  if (at.rtmp) play.push(['RTMP', url('rtmp'), 'VLC, mpv, ffplay, OBS']);
  if (at.rtmps) play.push(['RTMPS', url('rtmps'), 'The same, encrypted; players check the certificate']);
  if (at.rtmpq) play.push(['RTMP over QUIC', pinned('rtmpq'), 'millrace pull']);
  play.push(['HTTP-FLV', `${origin}${path}.flv`, 'mpegts.js in a page, mpv, ffplay: about a second behind']);
  play.push(['HLS', `${origin}${path}.m3u8`, 'Every browser, phone and television: further behind']);
  return { publish, play };
}
