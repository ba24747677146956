// A connector in AssemblyScript that calls WASI directly. Its getUserInfo answers with what it finds out about the machine.
// @ts-ignore: decorator
@external("crmgate_v1", "output")
declare function output(ptr: usize, len: i32): void;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "fd_write")
declare function fd_write(fd: i32, vectors: usize, count: i32, written: usize): i32;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "clock_time_get")
declare function clock_time_get(clock: i32, precision: i64, time: usize): i32;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "random_get")
declare function random_get(ptr: usize, len: i32): i32;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "environ_sizes_get")
declare function environ_sizes_get(count: usize, bytes: usize): i32;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "environ_get")
declare function environ_get(list: usize, bytes: usize): i32;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "poll_oneoff")
declare function poll_oneoff(subscriptions: usize, events: usize, count: i32, occurred: usize): i32;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "proc_exit")
declare function proc_exit(status: i32): void;

const room = memory.data(256, 8);

function reply(text: string): i32 {
  const b = String.UTF8.encode(text);
  output(changetype<usize>(b), b.byteLength);
  return 0;
}

// write returns the number of bytes that were not written.
function write(fd: i32, b: ArrayBuffer): i32 {
  let done = 0;
  while (done < b.byteLength) {
    store<u32>(room, <u32>changetype<usize>(b) + done);
    store<u32>(room, b.byteLength - done, 4);
    if (fd_write(fd, room, 1, room + 8) != 0) break;
    done += load<u32>(room, 8);
  }
  return b.byteLength - done;
}

function now(clock: i32): u64 {
  clock_time_get(clock, 0, room);
  return load<u64>(room);
}

function random(): string {
  random_get(room, 8);
  return load<u64>(room).toString();
}

// sleep waits for an hour or some nanoseconds, whichever ends first, and returns the number of events.
function sleep(nanoseconds: u64): i32 {
  memory.fill(room, 0, 96);
  store<u32>(room, 1, 16);
  store<u64>(room, nanoseconds, 24);
  store<u32>(room, 1, 48 + 16);
  store<u64>(room, 3600000000000, 48 + 24);
  return poll_oneoff(room, room + 96, 2, room + 160) == 0 ? load<u32>(room, 160) : -1;
}

export function getAuthType(): i32 { return reply('{"type":"oauth"}'); }
export function getOauthInfo(): i32 { return reply("{}"); }
export function getUserInfo(): i32 {
  write(1, String.UTF8.encode("printed\n"));
  write(2, String.UTF8.encode("warned\n"));
  const before = now(1);
  const ready = sleep(10000000);
  const slept = (now(1) - before) / 1000000;
  const wrote = write(1, new ArrayBuffer(1 << 20)) == 0 ? 1 : 0;
  environ_sizes_get(room, room + 4);
  const variables = load<u32>(room);
  environ_get(room, room + 8);
  return reply('{"successful":true,"platformUserInfo":{"id":"1","platformAdditionalInfo":{"seconds":' + (now(0) / 1000000000).toString() +
    ',"slept":[' + slept.toString() + '],"random":["' + random() + '","' + random() + '"],"variables":' + variables.toString() +
    ',"home":0,"file":0,"ready":' + ready.toString() + ',"wrote":' + wrote.toString() + "}}}");
}
export function authValidation(): i32 {
  write(2, String.UTF8.encode("on purpose\n"));
  proc_exit(3);
  return 0;
}
