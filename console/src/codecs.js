// What this browser can play, by the server's codec names.

const types = {
  'H.264': ['video/mp4; codecs="avc1.64001f"'],
  HEVC: ['video/mp4; codecs="hvc1.1.6.L93.B0"', 'video/mp4; codecs="hev1.1.6.L93.B0"'],
  AV1: ['video/mp4; codecs="av01.0.05M.08"'],
  AAC: ['audio/mp4; codecs="mp4a.40.2"'],
  MP3: ['audio/mp4; codecs="mp3"', 'audio/mpeg'],
  Opus: ['audio/mp4; codecs="opus"'],
  FLAC: ['audio/mp4; codecs="flac"'],
  'AC-3': ['audio/mp4; codecs="ac-3"'],
  'E-AC-3': ['audio/mp4; codecs="ec-3"'],
};

export function canPlay(codec, source = globalThis.ManagedMediaSource ?? globalThis.MediaSource) {
  return Boolean(source && types[codec]?.some((type) => source.isTypeSupported(type)));
}

/** Why it cannot be played here; nothing if it can. @param {{video_codec?: string, audio_codec?: string}} stream */
export function obstacle(stream, source = globalThis.ManagedMediaSource ?? globalThis.MediaSource) {
  if (!source) return 'This browser has no Media Source Extensions, so it cannot play live media in a page.';
  const { video_codec: video, audio_codec: audio } = stream;
  if (video && !canPlay(video, source)) {
    return types[video] ? `This browser does not decode ${video}. Try another browser, or play it with one of the addresses under Publish & play.`
      : `Browsers do not play ${video}. Use one of the addresses under Publish & play with a player of its own.`;
  }
  if (!video && audio && !canPlay(audio, source)) return `This browser does not decode ${audio}.`;
  return undefined;
}
