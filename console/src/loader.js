// mpegts.js, with a loader of our own: the library's leaves a connection open in Chromium until the next data comes, which from a stream that stands
// still, or into a page that was left, is never. The server would count a viewer that takes nothing.

/** @returns the library */
export async function load() {
  const { default: mpegts } = await import('mpegts.js');
  mpegts.LoggingControl.enableAll = false;
  return mpegts;
}

/** For `customLoader` of a player. @param {any} mpegts */
export function loaderOf(mpegts) {
  const { BaseLoader, LoaderErrors, LoaderStatus } = mpegts;
  return class extends BaseLoader {
    #stop = new AbortController();

    constructor() {
      super('fetch');
    }

    get needStashBuffer() { // chunks come as the network gives them, and are put together before they are parsed
      return true;
    }

    open(source) {
      this._status = LoaderStatus.kConnecting;
      this.#read(source.url).catch((error) => this.#fail(LoaderErrors.EXCEPTION, -1, String(error?.message ?? error)));
    }

    abort() {
      this._status = LoaderStatus.kComplete;
      this.#stop.abort();
    }

    destroy() {
      this.abort();
      super.destroy();
    }

    async #read(url) {
      const response = await fetch(url, { signal: this.#stop.signal, cache: 'no-store', referrerPolicy: 'no-referrer' });
      if (!response.ok) {
        this.#fail(LoaderErrors.HTTP_STATUS_CODE_INVALID, response.status, response.statusText);
        return this.#stop.abort();
      }
      const reader = response.body.getReader();
      for (let received = 0; ;) {
        const { done, value } = await reader.read();
        if (this.#stop.signal.aborted) return undefined;
        if (done) {
          this._status = LoaderStatus.kComplete;
          return this.onComplete?.(0, received - 1);
        }
        this._status = LoaderStatus.kBuffering;
        // The library takes whole buffers.
        const chunk = value.byteOffset === 0 && value.byteLength === value.buffer.byteLength ? value.buffer : value.slice().buffer;
        const at = received;
        received += chunk.byteLength;
        this.onDataArrival?.(chunk, at, received);
      }
    }

    #fail(kind, code, msg) {
      if (this.#stop.signal.aborted) return;
      this._status = LoaderStatus.kError;
      this.onError?.(kind, { code, msg });
    }
  };
}
