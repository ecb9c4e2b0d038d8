//! Custom rules: a Siddhi query that counts over a time batch, as WSO2's manual has it, is read
//! into a count, a time and a key.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Value, json};

use crate::admin::refused::Refused;
use crate::admin::texts;

/// A longer query is another one.
const MOST_QUERY: usize = 8 * 1024;

/// The only tenant, as WSO2 writes it after the name of a user.
const TENANT: &str = "@carbon.super";

/// The longest name of a user (`sub` in OpenID Connect).
const MOST_USER: usize = 255;

/// WSO2's variables of a key template, and those of `gateway.toml`.
const VARIABLES: [(&str, &str); 5] = [
    ("userId", "user"),
    ("apiContext", "api_context"),
    ("apiVersion", "version"),
    ("appId", "application"),
    ("clientIp", "ip"),
];

/// The queries that can be read. The condition of eligibility must let every request take part, or
/// those of some users.
const QUERY: &str = r"(?xi)
    ^\s* from \s+ RequestStream \s+
    select \s+ (?:\w+ \s*,\s*)+?
    \(? \s* (?<eligible> true | not \s* \(? \s* \w+ \s+ is \s+ null \s* \)? | \w+ \s* != \s* ''
        | userId \s* == \s* '[^']+' (?: \s+ or \s+ userId \s* == \s* '[^']+' )* )
    \s* \)? \s+ as \s+ isEligible \s* , \s*
    (?<key> \w+ | str:concat \s* \( [^()]* \) ) \s+ as \s+ throttleKey \s+
    insert \s+ into \s+ EligibilityStream \s* ; \s*
    from \s+ EligibilityStream \s* \[ \s* isEligible \s* == \s* true \s* \] \s*
    \# (?: throttler:timeBatch | window\.time | window\.timeBatch ) \s* \( \s*
    (?<number> \d{1,9} ) \s+ (?<unit> \w+ ) (?: \s*,\s* 0 )? \s* \) \s+
    select \s+ throttleKey \s* , \s* \( \s* count \s* \( \s* \w* \s* \) \s* >= \s*
    (?<count> \d{1,18} ) \s* \) \s+ as \s+ isThrottled (?: \s* , \s* expiryTimeStamp )? \s+
    group \s+ by \s+ throttleKey \s+
    insert \s+ all \s+ events \s+ into \s+ ResultStream \s* ;? \s* $";

#[expect(clippy::expect_used, reason = "a constant, compiled in every test of this file")]
static PATTERN: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(QUERY).expect("the pattern of queries is one"));

/// Reads a rule into `requests`, `per` and `key`.
pub(super) fn rule(query: &str, template: &str) -> Result<Map<String, Value>, Refused> {
    let refused = |description: &str| Refused::bad_request(description);
    let key = key(template)?;
    let unknown = || {
        refused(
            "`siddhiQuery`: only a count over a time batch for every key can be read, such as the \
             one that `GET` shows; docs/provisioning.md has an example",
        )
    };
    if query.len() > MOST_QUERY {
        return Err(unknown());
    }
    let found = PATTERN.captures(query).ok_or_else(unknown)?;
    let part = |name: &str| found.name(name).map_or("", |own| own.as_str());
    let per = match (part("unit").to_ascii_lowercase().as_str(), part("number")) {
        ("sec" | "second" | "seconds", number) => format!("{number}s"),
        ("min" | "minute" | "minutes", number) => format!("{number}m"),
        ("hour" | "hours", number) => format!("{number}h"),
        ("day" | "days", "1") => "1d".to_owned(),
        ("month" | "months", "1") => "1month".to_owned(),
        _ => {
            let description = "`siddhiQuery`: a time batch is up to 24 hours, one day or one month";
            return Err(refused(description));
        }
    };
    let named: Vec<&str> = part("eligible").split('\'').skip(1).step_by(2).collect();
    let named: Vec<&str> = named.into_iter().filter(|user| !user.is_empty()).collect();
    if !same_parts(part("key"), template, &named) {
        let description = "`siddhiQuery`: `throttleKey` does not have the parts of `keyTemplate`";
        return Err(refused(description));
    }
    // in WSO2 ">= 5" means that five requests pass
    let count: u64 = part("count").parse().map_err(|_| unknown())?;
    if count == 0 {
        return Err(refused("`siddhiQuery`: the count is not more than 0"));
    }
    let mut members = vec![("requests", json!(count)), ("per", json!(per)), ("key", json!(key))];
    if !named.is_empty() {
        members.push(("users", json!(users(&named)?)));
    }
    Ok(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// Returns the users of a query. WSO2 writes the tenant after a name, and tokens need not have it.
fn users(named: &[&str]) -> Result<Vec<String>, Refused> {
    let mut users: Vec<String> = Vec::new();
    for name in named {
        texts::name("siddhiQuery", name, MOST_USER)?;
        for user in [name.strip_suffix(TENANT).unwrap_or(name), name] {
            if !user.is_empty() && !users.iter().any(|own| own == user) {
                users.push(user.to_owned());
            }
        }
    }
    Ok(users)
}

/// Reads a key template.
fn key(template: &str) -> Result<String, Refused> {
    let mut parts = Vec::new();
    for part in template.trim().split(':') {
        let name = part.trim().strip_prefix('$').unwrap_or_default();
        let own = VARIABLES.iter().find(|(theirs, _)| *theirs == name).map(|(_, own)| *own);
        let own = own.ok_or_else(|| {
            let known: Vec<_> = VARIABLES.iter().map(|(theirs, _)| format!("${theirs}")).collect();
            let known = known.join(", ");
            Refused::bad_request(format!("`keyTemplate` is made of {known} with `:` between them"))
        })?;
        parts.push(format!("${own}"));
    }
    Ok(parts.join(":"))
}

/// Tells whether the query's key concatenates the variables of the template. The name of the only
/// user of a query is as good as its variable.
fn same_parts(key: &str, template: &str, users: &[&str]) -> bool {
    let inner = key.strip_prefix("str:concat").map_or(key, str::trim);
    let inner = inner.trim_start_matches('(').trim_end_matches(')');
    let parts = inner.split(',').map(str::trim).filter(|part| !matches!(*part, "':'" | "''"));
    let wanted = template.trim().split(':').map(|part| part.trim().trim_start_matches('$'));
    let only = match users {
        [user] => Some(format!("'{user}'")),
        _ => None,
    };
    parts.map(|part| if only.as_deref() == Some(part) { "userId" } else { part }).eq(wanted)
}

/// Writes the rule of a policy; nothing for a key that WSO2's language cannot express.
pub(super) fn shown(declared: &Map<String, Value>) -> (String, String) {
    let text = |key: &str| declared.get(key).and_then(Value::as_str).unwrap_or_default();
    let template: Vec<_> = text("key")
        .split(':')
        .map(|part| {
            let name = part.trim_start_matches('$');
            let theirs = VARIABLES.iter().find(|(_, own)| *own == name);
            theirs.map_or_else(|| part.to_owned(), |(theirs, _)| format!("${theirs}"))
        })
        .collect();
    let names: Vec<_> = template.iter().map(|part| part.trim_start_matches('$')).collect();
    let first = names.first().copied().unwrap_or_default();
    let key = match names.as_slice() {
        [single] => format!("str:concat({single},'')"),
        several => format!("str:concat({})", several.join(",':',")),
    };
    let count = declared.get("requests").and_then(Value::as_u64).unwrap_or_default();
    let per = text("per");
    let digits = per.find(|own: char| !own.is_ascii_digit()).unwrap_or(per.len());
    let (number, unit) = per.split_at(digits);
    let unit = match unit {
        "m" => "min",
        "h" => "hour",
        "d" => "day",
        "month" => "month",
        _ => "sec",
    };
    let users = declared.get("users").and_then(Value::as_array).into_iter().flatten();
    let users: Vec<_> =
        users.filter_map(Value::as_str).map(|user| format!("userId == '{user}'")).collect();
    let eligible = match users.as_slice() {
        [] => format!("not ({first} is null)"),
        users => users.join(" or "),
    };
    let query = format!(
        "FROM RequestStream\nSELECT {first}, ( {eligible} ) AS isEligible, \
         {key} as throttleKey\nINSERT INTO EligibilityStream;\n\n\
         FROM EligibilityStream[isEligible==true]#throttler:timeBatch({number} {unit})\n\
         SELECT throttleKey, (count(throttleKey) >= {count}) as isThrottled, expiryTimeStamp \
         group by throttleKey\nINSERT ALL EVENTS into ResultStream;"
    );
    (query, template.join(":"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANUAL: &str = "FROM RequestStream\n\
        SELECT userId, ( not (userId is null) ) AS isEligible ,\n\
        str:concat(userId,':',apiContext) as throttleKey\n\
        INSERT INTO EligibilityStream;\n\n\
        FROM EligibilityStream [isEligible==true] #throttler:timeBatch(1 min)\n\
        SELECT throttleKey, (count(throttleKey) >= 5) as isThrottled, expiryTimeStamp \
        group by throttleKey\n\
        INSERT ALL EVENTS into ResultStream;";

    #[test]
    fn a_count_over_a_time_batch_is_read_and_written_back() {
        let read = rule(MANUAL, "$userId:$apiContext").unwrap();
        let wanted = json!({ "requests": 5, "per": "1m", "key": "$user:$api_context" });
        assert_eq!(Value::Object(read.clone()), wanted);
        let (query, template) = shown(&read);
        assert_eq!(template, "$userId:$apiContext");
        assert_eq!(rule(&query, &template).unwrap(), read, "{query}");
        for (per, key) in [("30s", "$ip"), ("24h", "$application:$version"), ("1month", "$user")] {
            let own = json!({ "requests": 7, "per": per, "key": key });
            let Value::Object(own) = own else { panic!() };
            let (query, template) = shown(&own);
            assert_eq!(rule(&query, &template).unwrap(), own, "{query}");
        }
    }

    #[test]
    fn a_query_can_be_about_some_users() {
        // the example of WSO2's manual and of its definition
        let manual = "FROM RequestStream\n\
            SELECT userId, ( userId == 'admin@carbon.super' ) AS isEligible , \
            str:concat('admin@carbon.super','') as throttleKey\n\
            INSERT INTO EligibilityStream; \n\n\
            FROM EligibilityStream[isEligible==true]#throttler:timeBatch(1 min) \n\
            SELECT throttleKey, (count(userId) >= 10) as isThrottled, expiryTimeStamp \
            group by throttleKey \nINSERT ALL EVENTS into ResultStream;";
        let read = rule(manual, "$userId").unwrap();
        let users = json!(["admin", "admin@carbon.super"]);
        let wanted = json!({ "requests": 10, "per": "1m", "key": "$user", "users": users });
        assert_eq!(Value::Object(read.clone()), wanted);
        let (query, template) = shown(&read);
        assert_eq!(rule(&query, &template).unwrap(), read, "{query}");
        let several = MANUAL.replace("not (userId is null)", "userId == 'a' or userId == 'b'");
        let read = rule(&several, "$userId:$apiContext").unwrap();
        assert_eq!(read["users"], json!(["a", "b"]));
        let other = manual.replace("str:concat('admin@carbon.super'", "str:concat('eve'");
        assert!(rule(&other, "$userId").is_err());
    }

    #[test]
    fn another_query_is_refused() {
        let template = "$userId:$apiContext";
        for (from, to) in [
            ("not (userId is null)", "userId == 'a' or true"),
            ("not (userId is null)", "userId == ''"),
            ("not (userId is null)", "userId == ' a'"),
            ("not (userId is null)", "apiContext == '/a'"),
            ("not (userId is null)", "userId == 'a' and apiContext == '/a'"),
            ("str:concat(userId,':',apiContext)", "str:concat('a',':',apiContext)"),
            ("count(throttleKey) >= 5", "sum(throttleKey) >= 5"),
            ("count(throttleKey) >= 5", "count(throttleKey) > 5"),
            (">= 5", ">= 0"),
            (">= 5", ">= -5"),
            ("1 min", "1 year"),
            ("1 min", "2 days"),
            ("1 min", "1 min, 7"),
            ("str:concat(userId,':',apiContext)", "str:concat(userId,':',apiVersion)"),
            ("str:concat(userId,':',apiContext)", "userId"),
            ("group by throttleKey", "group by userId"),
            ("ResultStream;", "ResultStream; FROM RequestStream INSERT INTO Other;"),
            ("FROM RequestStream", "define stream S (a string); FROM RequestStream"),
        ] {
            let query = MANUAL.replace(from, to);
            assert_ne!(query, MANUAL);
            let refused = rule(&query, template).unwrap_err();
            assert_eq!(refused.status.as_u16(), 400);
            assert!(refused.description.contains("siddhiQuery"), "{to}: {}", refused.description);
        }
        for template in ["", "$", "userId", "$resourceKey", "$userId:", "$userId;$apiContext"] {
            let refused = rule(MANUAL, template).unwrap_err();
            assert!(refused.description.contains("keyTemplate"), "{template}");
        }
        assert!(rule(&" ".repeat(MOST_QUERY + 1), template).is_err());
    }
}
