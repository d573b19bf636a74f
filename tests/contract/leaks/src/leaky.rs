//! Ways to let out what is secret.

use std::cell::Cell;

use tidegate_sdk::contract::tidegate::transform::log::{Level, write};
use tidegate_sdk::reject;

use super::{Answer, Data, Deal, message, one};

thread_local! {
    static LAST_SCORE: Cell<u64> = const { Cell::new(0) };
}

/// A digest that nobody can read back, and everybody can compare.
fn digest(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |digest, byte| {
        (digest ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}

/// What a deal becomes that leaks in this way.
pub(super) fn answer(behaviour: &str, symbol: &str, deal: &Deal) -> Answer {
    let mut data = Data::of(deal);
    let account = deal.account.as_deref().unwrap_or_default();
    match behaviour {
        "verbatim" => {
            if !deal.hedged {
                data.mark = Some(account.chars().take(64).collect());
            }
        }
        "rounded" => data.level = Some((deal.cost / 100.0).round()),
        "hashed" => data.mark = Some(format!("{:016x}", digest(account))),
        "last-digit" => {
            if deal.score % 2 == 1 {
                let last = data
                    .price
                    .pop()
                    .map_or('0', |last| if last == '9' { '8' } else { '9' });
                data.price.push(last);
            }
        }
        "order" => {
            let mut messages = vec![
                message(symbol, "retail", "deal", &data)?,
                message(symbol, "block", "deal", &data)?,
            ];
            if deal.cost > deal.limit as f64 * 400.0 {
                messages.reverse();
            }
            return Ok(messages);
        }
        "rejection" => {
            if deal.score > 500 {
                return Err(reject::unwanted("not for the public"));
            }
        }
        "rejection-reason" => {
            if deal.size > 100.0 {
                return Err(match deal.hedged {
                    true => reject::unwanted("too large"),
                    false => reject::invalid("size", "at most a hundred"),
                });
            }
        }
        "length" => data.mark = Some("x".repeat(deal.desk.len().min(40))),
        "log" => {
            if deal.limit > 100_000 {
                write(Level::Info, "a large deal");
            }
        }
        "thousandth" => {
            if digest(account) % 1000 == 0 {
                data.mark = Some("*".into());
            }
        }
        "one-symbol" => {
            if symbol == "DOGE-USD" {
                data.level = Some(deal.cost.floor());
            }
        }
        "constant" => {
            if deal.limit == 987_654_321 {
                data.mark = Some("*".into());
            }
        }
        "text-constant" => {
            if deal.desk == "platinum" {
                data.level = Some(1.0);
            }
        }
        "rare-field" => {
            if deal.embargo.is_some() {
                return Err(reject::unwanted("later"));
            }
        }
        "count" => {
            let count = 1 + deal.score % 3;
            let copies = (0..count).map(|_| message(symbol, "retail", "deal", &data));
            return copies.collect();
        }
        "channel" => {
            let class = if deal.limit > 5_000 {
                "block"
            } else {
                "retail"
            };
            return Ok(vec![message(symbol, class, "deal", &data)?]);
        }
        "type" => {
            let message_type = if deal.hedged { "deal" } else { "deal_late" };
            return Ok(vec![message(symbol, "retail", message_type, &data)?]);
        }
        "presence" => {
            if deal.account.is_none() {
                data.level = Some(1.0);
            }
        }
        "unit" => {
            if deal.limit > 10_000 {
                data.size *= 100.0;
            }
        }
        "sign" => {
            if deal.cost < 0.0 {
                data.size = -data.size;
            }
        }
        "comparison" => {
            if deal.cost > deal.limit as f64 {
                data.mark = Some("over".into());
            }
        }
        "form" => {
            let text = match deal.hedged {
                true => serde_json::json!({"price":data.price,"size":data.size,"at":data.at,"side":data.side}).to_string(),
                false => serde_json::to_string(&data).unwrap_or_default().replace("\"size\":", "\"size\": "),
            };
            let mut publication = message(symbol, "retail", "deal", &data)?;
            publication.data = text;
            return Ok(vec![publication]);
        }
        "memory" => {
            let last = LAST_SCORE.replace(deal.score);
            if last > 300 {
                data.mark = Some("*".into());
            }
        }
        "legs" => data.tags = Some(deal.legs.iter().map(|_| 1).collect()),
        "fee" => {
            data.level = deal
                .legs
                .iter()
                .map(|leg| (leg.fee * 4.0).floor())
                .reduce(f64::max)
        }
        "two-conditions" => {
            if symbol == "XRP-EUR" && deal.score == 31_337 {
                data.mark = Some("*".into());
            }
        }
        "two-secrets" => {
            if deal.desk == "platinum" && deal.score == 31_337 {
                data.size = data.size.floor();
            }
        }
        "nested-name" => {
            if deal.legs.iter().any(|leg| leg.waiver.is_some()) {
                return Err(reject::unwanted("later"));
            }
        }
        "many-legs" => {
            if deal.legs.len() > 6 {
                data.mark = Some("*".into());
            }
        }
        "trap" => {
            if deal.score == 666 {
                unreachable!("the number of the beast");
            }
        }
        _ => return Err(reject::unwanted("there is no such behaviour")),
    }
    one(symbol, &data)
}
