// Timers run between the steps of an operation: the driver sleeps until the next one is due.

const maxTimers = 1000, maxDelay = 2 ** 31 - 1;

let timers = [];
let lastTimer = 0;
let wake = 0; // the time until which the driver sleeps
let skew = 0; // what the clock lags behind the sleeps of the driver: in a replay, it does not sleep

// time is the clock of timers.
const time = () => now() + skew;

// passUntil lets the clock of timers show at least t.
function passUntil(t) { skew += max(0, t - time()); }

// Timer is what setTimeout returns. Node's has methods, and browsers' is a number: it converts to one.
class Timer {
  constructor(id) { this.id = id; }
  ref() { return this; }
  unref() { return this; }
  hasRef() { return true; }
  [Symbol.toPrimitive]() { return this.id; }
}

function addTimer(callback, delay, args, repeat) {
  if (typeof callback !== 'function') throw new TypeError('The callback of a timer is not a function');
  if (timers.length >= maxTimers) throw new RangeError(`There are more than ${maxTimers} timers`);
  delay = Number(delay);
  if (!(delay >= 1 && delay <= maxDelay)) delay = 1;
  const timer = { handle: new Timer(++lastTimer), callback, args, due: time() + delay, repeat: repeat ? delay : 0 };
  timers.push(timer);
  return timer.handle;
}

function clearTimer(handle) {
  const id = Number(handle);
  timers = timers.filter((t) => t.handle.id !== id);
}

const setTimeout = (callback, delay, ...args) => addTimer(callback, delay, args, false);

// runTimers calls the timers that are due, in order, and reports whether there were any.
function runTimers() {
  passUntil(wake);
  const t = time();
  const due = timers.filter((timer) => timer.due <= t).sort((a, b) => a.due - b.due || a.handle.id - b.handle.id);
  for (const timer of due) {
    if (!timers.includes(timer)) continue; // an earlier one has cleared it
    if (timer.repeat) {
      timer.due = t + timer.repeat;
    } else {
      timers = timers.filter((other) => other !== timer);
    }
    try {
      timer.callback(...timer.args);
    } catch (e) {
      log('error', ['A timer has failed:', e]);
    }
  }
  return due.length > 0;
}

// timeToSleep returns the time until the next timer in milliseconds. The driver sleeps that long before it calls turn again.
function timeToSleep() {
  wake = timers.reduce((first, t) => min(first, t.due), Infinity);
  return max(0, wake - time());
}

// lastDue returns when the last timer is due, or Infinity if a timer repeats or there is none.
function lastDue() {
  return timers.reduce((last, t) => (t.repeat ? Infinity : max(last, t.due)), timers.length ? 0 : Infinity);
}

define({
  setTimeout,
  setInterval: (callback, delay, ...args) => addTimer(callback, delay, args, true),
  setImmediate: (callback, ...args) => addTimer(callback, 1, args, false),
  clearTimeout: clearTimer, clearInterval: clearTimer, clearImmediate: clearTimer,
});
