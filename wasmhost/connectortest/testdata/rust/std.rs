// A connector in Rust that uses the standard library. Its getUserInfo answers with what it finds out about the machine.
use std::collections::hash_map::RandomState;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};
use std::io::{Read, Write};
use std::time::{Duration, Instant, SystemTime};
use std::{env, fs, io, thread};

#[link(wasm_import_module = "crmgate_v1")]
extern "C" {
    fn output(p: *const u8, n: usize);
}

fn answer(doc: &str) -> i32 {
    unsafe { output(doc.as_ptr(), doc.len()) };
    0
}

#[export_name = "getAuthType"]
pub extern "C" fn get_auth_type() -> i32 {
    answer(r#"{"type":"oauth"}"#)
}

#[export_name = "getOauthInfo"]
pub extern "C" fn get_oauth_info() -> i32 {
    answer("{}")
}

#[export_name = "getUserInfo"]
pub extern "C" fn get_user_info() -> i32 {
    println!("printed");
    eprintln!("warned");

    let before = Instant::now();
    thread::sleep(Duration::from_millis(10));
    let slept = before.elapsed().as_millis();

    thread::yield_now();
    let mut input = Vec::new();
    let ready = matches!(io::stdin().read_to_end(&mut input), Ok(0)) as i32;

    let random = || RandomState::new().build_hasher().finish();
    let mut numbers = HashMap::new(); // its hash seed is random
    numbers.insert("a", random());
    numbers.insert("b", random());

    let wrote = io::stdout().write_all(&[b'x'; 1 << 16].repeat(16)).is_ok() as i32;
    println!();
    let seconds = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_secs());
    answer(&format!(
        r#"{{"successful":true,"platformUserInfo":{{"id":"1","platformAdditionalInfo":{{"seconds":{},"slept":[{}],"random":["{}","{}"],"variables":{},"home":{},"file":{},"ready":{},"wrote":{}}}}}}}"#,
        seconds, slept, numbers["a"], numbers["b"], env::vars().count(), env::var("HOME").is_ok() as i32, fs::read("/etc/hosts").is_ok() as i32, ready, wrote
    ))
}

#[export_name = "authValidation"]
pub extern "C" fn auth_validation() -> i32 {
    panic!("on purpose")
}
