//! Random texts and numbers, all drawn from the render's generator: the same seed gives the same output.

use base64::Engine;
use gotemplate::limits::check_text;
use gotemplate::{FnError, Function, Functions, Type, Value};
use rand::{Rng, RngCore};

use super::args::{Result, int, utf8};
use super::{FunctionEnv, SharedRng};

pub(super) fn add(functions: &mut Functions, env: &FunctionEnv) {
    use Type::{Int, String as Text};
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    const DIGITS: &[u8] = b"0123456789";
    let ascii: Vec<u8> = (32..127).collect();
    for (name, symbols) in [
        ("randAlpha", LETTERS.to_vec()),
        ("randNumeric", DIGITS.to_vec()),
        ("randAlphaNum", [LETTERS, DIGITS].concat()),
        ("randAscii", ascii),
    ] {
        let rng = env.rng.clone();
        functions.set(name, Function::new(&[Int], move |_, a| pick(&rng, &symbols, int(a, 0))));
    }
    let rng = env.rng.clone();
    functions.set("randInt", Function::new(&[Int, Int], move |_, a| between(&rng, int(a, 0), int(a, 1))));
    let rng = env.rng.clone();
    functions.set(
        "randBytes",
        Function::new(&[Int], move |_, a| {
            let count = usize::try_from(int(a, 0))
                .map_err(|_| FnError::new("runtime error: makeslice: len out of range"))?;
            check_text(count)?;
            let mut bytes = vec![0; count];
            rng.lock().fill_bytes(&mut bytes);
            Ok(base64::engine::general_purpose::STANDARD.encode(bytes).into())
        }),
    );
    let rng = env.rng.clone();
    functions.set("uuidv4", Function::new(&[], move |_, _| Ok(uuid(&rng).into())));
    let rng = env.rng.clone();
    functions.set(
        "shuffle",
        Function::new(&[Text], move |_, a| {
            let mut chars: Vec<char> = utf8(a, 0).chars().collect();
            let mut rng = rng.lock();
            for i in (1..chars.len()).rev() {
                chars.swap(i, rng.random_range(0..=i));
            }
            Ok(chars.into_iter().collect::<String>().into())
        }),
    );
}

/// Nothing for a count below zero.
fn pick(rng: &SharedRng, symbols: &[u8], count: i64) -> Result {
    check_text(usize::try_from(count).unwrap_or(0))?;
    let mut rng = rng.lock();
    let picked = (0..count).map(|_| symbols[rng.random_range(0..symbols.len())]);
    Ok(Value::str(picked.collect::<Vec<u8>>()))
}

fn between(rng: &SharedRng, least: i64, most: i64) -> Result {
    if most <= least {
        return Err(FnError::new("invalid argument to Intn"));
    }
    Ok(Value::int(rng.lock().random_range(least..most)))
}

fn uuid(rng: &SharedRng) -> String {
    let mut bytes = [0_u8; 16];
    rng.lock().fill_bytes(&mut bytes);
    bytes[6] = bytes[6] & 0x0F | 0x40;
    bytes[8] = bytes[8] & 0x3F | 0x80;
    let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
