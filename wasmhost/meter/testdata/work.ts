// Typical code, to compare engines. Each function takes a number, and returns a checksum.
export function sorting(n: i32): i32 {
  let seed = n;
  const all = new Array<i32>(500);
  for (let i = 0; i < all.length; i++) {
    seed = seed * 1664525 + 1013904223;
    all[i] = seed;
  }
  all.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  let sum = 0;
  for (let i = 0; i < all.length; i++) sum = sum * 31 + all[i];
  return sum;
}

export function hashing(n: i32): i32 {
  const map = new Map<string, i32>();
  for (let i = 0; i < 300; i++) {
    const key = ((i * (n | 1)) % 97).toString();
    map.set(key, (map.has(key) ? map.get(key) : 0) + i);
  }
  let sum = 0;
  const keys = map.keys();
  for (let i = 0; i < keys.length; i++) sum = sum * 33 + map.get(keys[i]);
  return sum;
}

export function floating(n: i32): i32 {
  let x: f64 = n as f64;
  let y: f32 = n as f32;
  for (let i = 1; i < 300; i++) {
    x = Math.sqrt(x * x + i) + Math.floor(x / i);
    y = Mathf.abs(y - (x as f32)) * 0.5;
  }
  return (reinterpret<i64>(x) ^ (reinterpret<i32>(y) as i64)) as i32;
}

export function writing(n: i32): i32 {
  let text = "";
  for (let i = 0; i < 100; i++) text += (i * n).toString() + ",";
  const parts = text.split(",");
  let sum = 0;
  for (let i = 0; i < parts.length; i++) sum = sum * 31 + parts[i].length;
  return sum;
}
