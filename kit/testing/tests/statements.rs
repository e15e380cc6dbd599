//! Statements in a trace. Those of SQLite run on a thread of their own, which only a process-wide
//! subscriber hears of: see `telemetry.rs`.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use kit_database::Database;
use kit_service::metrics;
use kit_testing::{keep, postgres};
use opentelemetry_sdk::trace::Sampler;
use sqlx::PgPool;
use tracing::Instrument as _;

/// What a bound parameter holds.
const SECRET: &str = "4242424242424242";

/// Writes and reads in a span of its own.
async fn work(pool: &PgPool) {
    let create = "create table note (body text not null)";
    let insert = "insert into note (body) values ($1)";
    let select = "select body from note where body = $1";
    let work = async {
        sqlx::query(create).execute(pool).await.unwrap();
        sqlx::query(insert).bind(SECRET).execute(pool).await.unwrap();
        sqlx::query(select).bind(SECRET).fetch_one(pool).await.unwrap();
    };
    work.instrument(tracing::info_span!("work")).await;
}

async fn pool() -> PgPool {
    let Database::Postgres(pool) = postgres("note").await else { panic!("it is") };
    pool
}

#[tokio::test]
async fn each_statement_of_a_call_is_a_span_of_its_trace_without_parameters() {
    let (kept, _guard) = keep(Sampler::AlwaysOn);
    work(&pool().await).await;
    let spans = kept.spans();
    let work = spans.iter().find(|span| span.name == "work").unwrap();
    let id = work.span_context.span_id();
    let statements: Vec<_> = spans.iter().filter(|span| span.parent_span_id == id).collect();
    let names: Vec<_> = statements.iter().map(|span| span.name.as_ref()).collect();
    for expected in ["create table note (body", "insert into note (body)", "select body from note"]
    {
        assert!(names.contains(&expected), "{names:?}");
    }
    for span in &statements {
        assert_eq!(span.span_context.trace_id(), work.span_context.trace_id());
        assert!(span.start_time <= span.end_time);
    }
    let text = format!("{spans:?}");
    assert!(text.contains("select body from note where body = $1"), "{text}");
    assert!(!text.contains(SECRET), "{text}");
}

#[tokio::test]
async fn statements_of_a_trace_that_is_not_kept_are_not_written_down() {
    let (kept, _guard) = keep(Sampler::AlwaysOff);
    work(&pool().await).await;
    assert_eq!(kept.spans().len(), 0);
}

#[tokio::test]
async fn the_wait_for_a_connection_is_measured() {
    let (_kept, _guard) = keep(Sampler::AlwaysOff);
    let pool = pool().await;
    let count = || {
        let text = metrics::text();
        let name = "db_pool_acquire_duration_seconds_count ";
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.map_or(0, |count| count.parse::<u64>().unwrap())
    };
    let before = count();
    work(&pool).await;
    assert!(count() >= before + 3);
}
