// What a group of pictures looks like. Pure.

/** @param {{kind: string, dts_ms: number, bytes: number, key?: boolean, disposable?: boolean, config?: boolean}[]} frames */
export function describe(frames) {
  const video = frames.filter((f) => f.kind === 'video' && !f.config);
  const audio = frames.filter((f) => f.kind === 'audio' && !f.config);
  if (video.length === 0) return undefined;
  const bytes = (list) => list.reduce((all, f) => all + f.bytes, 0);
  const keys = video.filter((f) => f.key);
  const others = video.filter((f) => !f.key);
  const gaps = video.slice(1).map((f, i) => f.dts_ms - video[i].dts_ms);
  const mean = gaps.length ? gaps.reduce((a, b) => a + b, 0) / gaps.length : undefined;
  return {
    pictures: video.length,
    audio: audio.length,
    span_ms: video.at(-1).dts_ms - video[0].dts_ms + (mean ?? 0),
    bytes: bytes(video),
    audio_bytes: bytes(audio),
    key_bytes: keys.length ? Math.max(...keys.map((f) => f.bytes)) : undefined,
    key_share: bytes(video) > 0 ? bytes(keys) / bytes(video) : undefined,
    other_bytes: others.length ? bytes(others) / others.length : undefined,
    biggest: Math.max(...video.map((f) => f.bytes)),
    disposable: video.filter((f) => f.disposable).length,
    gap_ms: mean,
    gap_min_ms: gaps.length ? Math.min(...gaps) : undefined,
    gap_max_ms: gaps.length ? Math.max(...gaps) : undefined,
  };
}
