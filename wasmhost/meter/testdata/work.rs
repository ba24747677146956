// Typical code, to compare engines. Each function takes a number, and returns a checksum.
use std::collections::{BTreeMap, HashMap};

#[no_mangle]
pub extern "C" fn sorting(n: u32) -> u32 {
    let mut seed = n;
    let mut words: Vec<String> = (0..300)
        .map(|_| {
            seed = seed.wrapping_mul(1664525).wrapping_add(1013904223);
            format!("{:x}-{}", seed, seed % 100)
        })
        .collect();
    words.sort();
    words.iter().fold(0, |sum, w| w.bytes().fold(sum, |s: u32, b| s.wrapping_mul(31).wrapping_add(b as u32)))
}

#[no_mangle]
pub extern "C" fn hashing(n: u32) -> u32 {
    let mut map = BTreeMap::new();
    let mut count: HashMap<u32, u32, std::hash::BuildHasherDefault<std::collections::hash_map::DefaultHasher>> = HashMap::default();
    for i in 0..500u32 {
        *map.entry(i.wrapping_mul(n | 1) % 97).or_insert(0u64) += i as u64;
        *count.entry(i.wrapping_mul(n | 1) % 89).or_insert(0) += i;
    }
    let ordered = map.iter().fold(0u64, |s, (k, v)| s.wrapping_mul(1099511628211).wrapping_add(*k as u64 ^ v));
    let summed = count.values().fold(0u32, |s, v| s.wrapping_add(v.wrapping_mul(*v)));
    (ordered ^ (ordered >> 32)) as u32 ^ summed
}

#[no_mangle]
pub extern "C" fn floating(n: u32) -> u32 {
    let mut x = n as f64 + 0.25;
    let mut y = n as f32;
    for i in 1..300 {
        x = (x * x + i as f64).sqrt().min(1e9).max(-1e9);
        y = y.mul_add(1.0001, (x as f32).round()).copysign(if i % 2 == 0 { 1.0 } else { -1.0 });
    }
    let text = format!("{:.6} {:e} {}", x, y, x as i64 as u8);
    text.bytes().fold(0, |s: u32, b| s.wrapping_mul(31).wrapping_add(b as u32))
}

#[no_mangle]
pub extern "C" fn parsing(n: u32) -> u32 {
    let text: String = (0..200).map(|i| format!("{},", i * (n % 1000) as u64)).collect();
    text.split(',').filter_map(|s| s.parse::<u64>().ok()).fold(0u64, |s, v| s.rotate_left(5) ^ v) as u32
}

// wazero's compiler miscompiled code like this on arm64 (wazero issue 2516, in the crate chrono).
fn write_hundreds(text: &mut impl std::fmt::Write, n: u8) -> std::fmt::Result {
    if n >= 100 {
        return Err(std::fmt::Error);
    }
    text.write_char((b'0' + n / 10) as char)?;
    text.write_char((b'0' + n % 10) as char)
}

#[no_mangle]
pub extern "C" fn formatting(n: u32) -> u32 {
    let mut text = String::new();
    for i in 0..60u32 {
        let minute = (n.wrapping_add(i * 7) / 60 % 60) as u8;
        write_hundreds(&mut text, minute).unwrap();
        text.push(':');
    }
    text.bytes().fold(0, |sum: u32, b| sum.wrapping_mul(31).wrapping_add(b as u32))
}
