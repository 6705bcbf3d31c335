//! What the answer to a request means: delivered, refused, failed or to be tried later.
//!
//! It reads the one answer to the one request that was made, and nothing else.

use std::time::UNIX_EPOCH;

use holdfast_kernel::id::{Instant, Millis};
use reqwest::Response;
use reqwest::header::{HeaderMap, RETRY_AFTER};

use crate::address::Address;
use crate::undelivered::Undelivered;

/// The most that is read of what a receiver says.
const MOST_READ: usize = 64 * 1024;

/// The longest that a receiver may ask to be left alone.
const LONGEST: Millis = Millis::seconds(3_600);

/// What an answer means. Of one that is happy, the body is not read: the message is delivered, whatever it says.
pub(crate) async fn judge(
    response: Response,
    address: &Address,
    now: Instant,
) -> Result<(), Undelivered> {
    let status = response.status();
    if status.is_success() {
        return Ok(());
    }
    let status = status.as_u16();
    if (300..400).contains(&status) {
        return Err(Undelivered::Failed(format!(
            "the receiver answers with a redirect (status {status}); give the address it leads to"
        )));
    }
    let after = asked(response.headers(), now);
    let said = address.said(&read(response).await);
    let mut reason = format!("the receiver answers with status {status}");
    if !said.is_empty() {
        reason = format!("{reason}: {said}");
    }
    let busy = matches!(status, 408 | 425 | 429 | 500..=599);
    // Somebody can mend a credential or an address.
    let mendable = matches!(status, 401 | 403 | 404 | 410);
    Err(match after {
        Some(after) if busy => Undelivered::Later { after, reason },
        _ if busy || mendable || !(400..500).contains(&status) => Undelivered::Failed(reason),
        _ => Undelivered::Refused(reason),
    })
}

/// How long the receiver asks to be left alone, in seconds or until a date; none if it does not ask.
fn asked(headers: &HeaderMap, now: Instant) -> Option<Millis> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let seconds = text.parse().ok().map(Millis::seconds);
    let asked = seconds.or_else(|| until(text, now))?;
    (asked > Millis::ZERO).then_some(asked.min(LONGEST))
}

/// How long it is until a date of HTTP.
fn until(date: &str, now: Instant) -> Option<Millis> {
    let at = httpdate::parse_http_date(date).ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(Instant(i64::try_from(at.as_micros()).ok()?).since(now))
}

/// The beginning of a body, as far as it comes.
async fn read(mut response: Response) -> String {
    let mut read = Vec::new();
    while read.len() < MOST_READ {
        let Ok(Some(part)) = response.chunk().await else {
            break;
        };
        let room = MOST_READ - read.len();
        read.extend(part.iter().take(room));
    }
    String::from_utf8_lossy(&read).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    #[test]
    fn a_receiver_may_ask_for_seconds_or_a_date_and_no_more_than_an_hour() {
        // 2026-11-24T17:01:40Z
        let now = Instant(1_795_539_700_000_000);
        let check = |text: &'static str, expect: Option<u64>| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_static(text));
            assert_eq!(asked(&headers, now), expect.map(Millis::seconds), "{text}");
        };
        check("120", Some(120));
        check(" 7 ", Some(7));
        check("86400", Some(3_600));
        check("18446744073709551615", Some(3_600));
        check("Tue, 24 Nov 2026 17:02:40 GMT", Some(60));
        check("Wed, 25 Nov 2026 17:01:40 GMT", Some(3_600));
        check("0", None);
        check("Tue, 24 Nov 2026 17:01:39 GMT", None);
        check("-1", None);
        check("soon", None);
        assert_eq!(asked(&HeaderMap::new(), now), None);
    }
}
