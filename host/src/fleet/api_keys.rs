//! API keys in Redis: the same records that a keys file has, and in which order they changed.
//! `tidegate key` writes them, hosts read what is new; what they make of it is for `gate`.
//!
//! ```text
//! api-keys           hash: id -> record, as JSON
//! api-keys:changes   sorted set: id, by the number of its last change; these only grow
//! api-keys:names     hash: name -> id of the last key of that name
//! ```

use super::{FleetNames, Link, Unreachable};
use crate::settings::Settings;
use crate::upstream::redis::Server;

/// How many records are read at once.
const AT_ONCE: usize = 1_000;

/// Writes a record in place of what was read, if nobody was faster.
///
/// `KEYS`: the three of above. `ARGV`: id, the text that was read or '', the new text, name, whose
/// the name was or '', whose it is now or ''.
const WRITE: &str = r"
if (redis.call('HGET', KEYS[1], ARGV[1]) or '') ~= ARGV[2] then return 0 end
if (redis.call('HGET', KEYS[3], ARGV[4]) or '') ~= ARGV[5] then return 0 end
local time = redis.call('TIME')
local number = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local newest = redis.call('ZREVRANGE', KEYS[2], 0, 0, 'WITHSCORES')
if newest[2] and tonumber(newest[2]) >= number then number = tonumber(newest[2]) + 1 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
if ARGV[6] ~= '' then redis.call('HSET', KEYS[3], ARGV[4], ARGV[6]) end
redis.call('ZADD', KEYS[2], string.format('%.0f', number), ARGV[1])
return 1
";

/// A record as it stands there; none where it is gone.
pub type KeyText = (String, Option<String>);

/// What is to be written.
#[derive(Debug, Clone, Copy)]
pub struct KeyWrite<'a> {
    pub id: &'a str,
    pub before: Option<&'a str>,
    pub text: &'a str,
    pub name: &'a str,
    /// Whose the name was, and whose it is from now on.
    pub named: [Option<&'a str>; 2],
}

/// What has changed.
#[derive(Debug)]
pub struct KeyChanges {
    /// The number of the last change that there is; 0 where there is none.
    pub newest: u64,
    /// The number of the last that is in `texts`, in whose order they changed.
    pub upto: u64,
    pub texts: Vec<KeyText>,
}

/// The keys of one fleet in Redis.
#[derive(Debug)]
pub struct RedisKeys {
    names: FleetNames,
    link: Link,
    place: String,
}

impl RedisKeys {
    /// Those of the fleet that the settings name, on that server. Connects to nothing yet.
    pub fn new(settings: &Settings, server: Server) -> Self {
        let place = &settings.redis_url;
        Self {
            names: FleetNames::new(&settings.fleet_name),
            link: Link::new(server),
            place: format!("{place} (fleet {})", settings.fleet_name),
        }
    }

    /// Where they are, in words.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// The number of the last change.
    ///
    /// # Errors
    /// Redis does not answer, and why.
    pub async fn newest(&self) -> Result<u64, String> {
        let mut look = redis::pipe();
        self.look_at_newest(&mut look);
        let asked: Result<(Vec<(String, f64)>,), _> = self.link.ask(&look).await;
        let (newest,) = asked.map_err(|Unreachable(why)| why)?;
        Ok(number(&newest))
    }

    fn look_at_newest(&self, look: &mut redis::Pipeline) {
        look.cmd("ZREVRANGE")
            .arg(self.names.api_key_changes())
            .arg(0)
            .arg(0)
            .arg("WITHSCORES");
    }

    /// Gives all records to `take`, some at a time and in no order; those that change meanwhile
    /// may come as they were before or after.
    ///
    /// # Errors
    /// Redis does not answer, and why.
    pub async fn all(&self, mut take: impl FnMut(Vec<KeyText>)) -> Result<(), String> {
        let mut cursor = 0_u64;
        loop {
            let mut scan = redis::pipe();
            scan.cmd("HSCAN")
                .arg(self.names.api_keys())
                .arg(cursor)
                .arg("COUNT")
                .arg(AT_ONCE);
            type Scanned = ((u64, Vec<(String, String)>),);
            let asked: Result<Scanned, _> = self.link.ask(&scan).await;
            let ((next, texts),) = asked.map_err(|Unreachable(why)| why)?;
            take(
                texts
                    .into_iter()
                    .map(|(id, text)| (id, Some(text)))
                    .collect(),
            );
            if next == 0 {
                return Ok(());
            }
            cursor = next;
        }
    }

    /// What has changed after the change of that number: all of it, or the first part.
    ///
    /// # Errors
    /// Redis does not answer, and why.
    pub async fn since(&self, number_before: u64) -> Result<KeyChanges, String> {
        let mut look = redis::pipe();
        self.look_at_newest(&mut look);
        look.cmd("ZRANGEBYSCORE")
            .arg(self.names.api_key_changes())
            .arg(format!("({number_before}"))
            .arg("+inf")
            .arg("WITHSCORES")
            .arg("LIMIT")
            .arg(0)
            .arg(AT_ONCE);
        type Numbered = Vec<(String, f64)>;
        let asked: Result<(Numbered, Numbered), _> = self.link.ask(&look).await;
        let (newest, changed) = asked.map_err(|Unreachable(why)| why)?;
        let upto = changed
            .last()
            .map_or(number_before, |(_, score)| *score as u64);
        let ids: Vec<String> = changed.into_iter().map(|(id, _)| id).collect();
        let texts = self.texts(&ids).await?;
        Ok(KeyChanges {
            newest: number(&newest),
            upto,
            texts: ids.into_iter().zip(texts).collect(),
        })
    }

    async fn texts(&self, ids: &[String]) -> Result<Vec<Option<String>>, String> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut get = redis::pipe();
        get.cmd("HMGET").arg(self.names.api_keys()).arg(ids);
        let asked: Result<(Vec<Option<String>>,), _> = self.link.ask(&get).await;
        let (texts,) = asked.map_err(|Unreachable(why)| why)?;
        Ok(texts)
    }

    /// The record of this id; none where there is none.
    ///
    /// # Errors
    /// Redis does not answer, and why.
    pub async fn text(&self, id: &str) -> Result<Option<String>, String> {
        let texts = self.texts(&[id.to_owned()]).await?;
        Ok(texts.into_iter().next().flatten())
    }

    /// The id of the last key of this name.
    ///
    /// # Errors
    /// Redis does not answer, and why.
    pub async fn named(&self, name: &str) -> Result<Option<String>, String> {
        let mut get = redis::pipe();
        get.cmd("HGET").arg(self.names.api_key_names()).arg(name);
        let asked: Result<(Option<String>,), _> = self.link.ask(&get).await;
        let (id,) = asked.map_err(|Unreachable(why)| why)?;
        Ok(id)
    }

    /// Writes a record where another text stood, or none. `false` where somebody else has
    /// changed something of it since.
    ///
    /// # Errors
    /// Redis does not answer, and why: then nobody knows whether it stands there.
    pub async fn write(&self, written: KeyWrite<'_>) -> Result<bool, String> {
        let KeyWrite {
            id,
            before,
            text,
            name,
            named: [was, is],
        } = written;
        let mut write = redis::pipe();
        write
            .cmd("EVAL")
            .arg(WRITE)
            .arg(3)
            .arg(self.names.api_keys())
            .arg(self.names.api_key_changes())
            .arg(self.names.api_key_names())
            .arg(id)
            .arg(before.unwrap_or_default())
            .arg(text)
            .arg(name)
            .arg(was.unwrap_or_default())
            .arg(is.unwrap_or_default());
        let asked: Result<(bool,), _> = self.link.ask(&write).await;
        let (is_written,) = asked.map_err(|Unreachable(why)| why)?;
        Ok(is_written)
    }
}

/// Numbers are whole, and far below what a score can hold exactly.
fn number(newest: &[(String, f64)]) -> u64 {
    newest.first().map_or(0, |(_, score)| *score as u64)
}
