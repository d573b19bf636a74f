//! Honest work, some of which reads what is secret, remembers its name, or is strict about it.

use serde::Deserialize;
use tidegate_sdk::contract::tidegate::transform::log::{Level, write};
use tidegate_sdk::reject;

use super::{Answer, Data, Deal, message, one};

/// What a deal becomes that lets nothing out; none where the behaviour is not one of these.
pub(super) fn answer(behaviour: &str, symbol: &str, deal: &Deal) -> Option<Answer> {
    let mut data = Data::of(deal);
    match behaviour {
        "plain" => {}
        // What is computed of public values is public.
        "derived" => {
            data.level = Some((deal.price.parse::<f64>().unwrap_or(0.0) * deal.size).floor())
        }
        "reads-secrets" => {
            let sum = deal.cost + deal.limit as f64 + deal.score as f64;
            if std::hint::black_box(sum) > 1_000_000.0 {
                std::hint::black_box(deal.desk.to_uppercase());
            }
        }
        "logs-public" => write(Level::Info, &format!("a {} of {}", data.side, symbol)),
        "rejects-public" => {
            if deal.size > 1_000.0 {
                return Some(Err(reject::unwanted("too large for the public")));
            }
        }
        "counts-public" => {
            let count = if deal.size > 10.0 { 2 } else { 1 };
            let copies = (0..count).map(|_| message(symbol, "retail", "deal", &data));
            return Some(copies.collect());
        }
        "channel-public" => {
            let class = if deal.size > 100.0 { "block" } else { "retail" };
            return Some(message(symbol, class, "deal", &data).map(|message| vec![message]));
        }
        "known-desks" => {
            // An event of a desk that is none is refused, as any event that is no deal.
            if !matches!(deal.desk.as_str(), "alpha" | "bravo" | "charlie") {
                return Some(Err(reject::invalid("desk", "a desk of ours")));
            }
        }
        // What the guard stops does not leave, so a component may leave it to the guard.
        "trusts-the-guard" => data.side = format!("{0}{0}", data.side),
        // A field that goes out under its own name is public in whatever form.
        "rounds" => data.size = data.size.round(),
        "shown-by-no-sample" => {
            data.mark = deal.mark.clone().filter(|mark| mark.len() <= 80);
        }
        "shown-by-no-sample-and-seldom" => {
            data.mark = deal.mark.clone().filter(|_| deal.size > 1_000.0);
        }
        "narrow-types" => {
            let fits = u8::try_from(deal.score).is_ok() && u16::try_from(deal.limit).is_ok();
            if !fits {
                return Some(Err(reject::invalid("limit", "16 bits, and the score 8")));
            }
        }
        _ => return None,
    }
    Some(one(symbol, &data))
}

/// Behaviours that read the payload in a way of their own.
pub(super) fn strictly(behaviour: &str, symbol: &str, payload: &[u8]) -> Option<Answer> {
    match behaviour {
        "no-further-fields" => {
            #[derive(Deserialize)]
            #[serde(deny_unknown_fields)]
            #[allow(dead_code, reason = "what is secret is only looked at")]
            struct Whole {
                price: String,
                size: f64,
                at: String,
                side: String,
                account: String,
                cost: f64,
                limit: u32,
                score: u32,
                desk: String,
                hedged: bool,
                legs: Vec<serde_json::Value>,
            }
            let Ok(whole) = serde_json::from_slice::<Whole>(payload) else {
                return Some(Err(reject::malformed("a deal, and nothing else")));
            };
            Some(bare(symbol, whole.price, whole.size, whole.at, whole.side))
        }
        "ignores-secrets" => {
            #[derive(Deserialize)]
            struct Public {
                price: String,
                size: f64,
                at: String,
                side: String,
            }
            let Ok(public) = serde_json::from_slice::<Public>(payload) else {
                return Some(Err(reject::malformed("a deal")));
            };
            Some(bare(
                symbol,
                public.price,
                public.size,
                public.at,
                public.side,
            ))
        }
        _ => None,
    }
}

fn bare(symbol: &str, price: String, size: f64, at: String, side: String) -> Answer {
    let plain = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.')
    };
    let whole = price.split_once('.');
    let (whole, fraction) = whole.unwrap_or((price.as_str(), "0"));
    let fits = |part: &str| (1..=20).contains(&part.len()) && !part.contains('.');
    if !plain(&price) || !fits(whole) || !fits(fraction) {
        return Err(reject::invalid("price", "a decimal"));
    }
    if !super::is_symbol(symbol) || at.chars().count() > 48 || side.chars().count() > 24 {
        return Err(reject::invalid("symbol", "two names in capitals"));
    }
    let data = Data {
        price,
        size,
        at,
        side,
        mark: None,
        level: None,
        tags: None,
    };
    one(symbol, &data)
}
