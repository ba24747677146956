// AbortController and AbortSignal end a fetch that has not been sent, and by a timer one that takes too long.

class AbortSignal {
  #listeners = [];
  aborted = false;
  reason = undefined;
  onabort = null;
  deadline = Infinity; // of AbortSignal.timeout

  throwIfAborted() {
    if (this.aborted) throw this.reason;
  }

  addEventListener(type, listener) {
    if (type === 'abort') this.#listeners.push(listener);
  }

  removeEventListener(type, listener) {
    if (type === 'abort') this.#listeners = this.#listeners.filter((other) => other !== listener);
  }

  // dispatchEvent is called once at most: a signal is aborted once.
  dispatchEvent(event) {
    this.onabort?.(event);
    for (const listener of this.#listeners) typeof listener === 'function' ? listener.call(this, event) : listener.handleEvent(event);
    return true;
  }

  static abort(reason = new DOMException('This operation was aborted', 'AbortError')) {
    const signal = new AbortSignal();
    abort(signal, reason);
    return signal;
  }

  static timeout(delay) {
    const signal = new AbortSignal();
    signal.deadline = time() + delay;
    setTimeout(() => abort(signal, new DOMException('The operation was aborted due to timeout', 'TimeoutError')), delay);
    return signal;
  }

  static any(signals) {
    const any = new AbortSignal();
    for (const signal of signals) {
      any.deadline = min(any.deadline, signal.deadline);
      if (signal.aborted) abort(any, signal.reason);
      else signal.addEventListener('abort', () => abort(any, signal.reason));
    }
    return any;
  }
}

function abort(signal, reason) {
  if (signal.aborted) return;
  signal.aborted = true;
  signal.reason = reason;
  signal.dispatchEvent({ type: 'abort', target: signal });
}

class AbortController {
  signal = new AbortSignal();
  abort(reason = new DOMException('This operation was aborted', 'AbortError')) { abort(this.signal, reason); }
}

define({ AbortController, AbortSignal });
