"""Quota windows that fill and reset, and their headers, in virtual time."""

from __future__ import annotations

from datetime import datetime, timezone

from teamclaude.fakeapi.fake_account import FIVE_HOURS, WEEK, FakeAccount, QuotaRefusal
from teamclaude.fakeapi.key_limits import KeyLimits
from teamclaude.fakeapi.prompt_cache import TokenUsage

T0 = 1_795_000_000.25
OPUS, FABLE = "claude-opus-4-8", "claude-fable-5"
U = "anthropic-ratelimit-unified-"


def account(**changes: object) -> FakeAccount:
    settings: dict[str, object] = {"five_hour_tokens": 1000, "weekly_tokens": 10_000, **changes}
    return FakeAccount("a", "sk-ant-oat01-FAKE", **settings)  # type: ignore[arg-type]


def headers(who: FakeAccount, now: float, model: str = OPUS) -> dict[str, str]:
    refusal = who.refusal(model, now)
    return dict(who.headers(model, now, refusal))


def test_nothing_is_open_before_the_first_use() -> None:
    seen = headers(account(), T0)
    assert U + "5h-reset" not in seen
    assert seen[U + "5h-utilization"] == "0.0"
    assert seen[U + "status"] == "allowed"


def test_a_five_hour_window_opens_at_first_use_and_ends_five_hours_later() -> None:
    who = account()
    who.charge(OPUS, TokenUsage(input=100, cache_read=900, write_5m=50, write_1h=50, output=50), T0)
    seen = headers(who, T0 + 1)
    assert seen[U + "5h-utilization"] == "0.25", "cache reads weigh nothing, everything else does"
    assert seen[U + "7d-utilization"] == "0.03", "rounded to 0.01"
    reset = int(T0) + FIVE_HOURS
    assert seen[U + "5h-reset"] == str(reset)
    assert headers(who, reset - 0.01)[U + "5h-utilization"] == "0.25"
    after = headers(who, float(reset))
    assert after[U + "5h-utilization"] == "0.0"
    assert U + "5h-reset" not in after, "the next window opens at its own first use"
    assert after[U + "7d-utilization"] == "0.03", "the week goes on"
    who.charge(OPUS, TokenUsage(output=10), reset + 777)
    assert headers(who, reset + 777)[U + "5h-reset"] == str(reset + 777 + FIVE_HOURS)


def test_a_fixed_week_ends_on_its_own_time_used_or_not() -> None:
    who = account(weekly_reset=T0 + 100)
    who.charge(OPUS, TokenUsage(output=5000), T0)
    assert headers(who, T0)[U + "7d-utilization"] == "0.5"
    later = headers(who, T0 + 100)
    assert later[U + "7d-utilization"] == "0.0"
    assert later[U + "7d-reset"] == str(int(T0 + 100) + WEEK)
    much_later = headers(who, T0 + 100 + 3 * WEEK + 5)
    assert much_later[U + "7d-reset"] == str(int(T0 + 100) + 4 * WEEK)


def test_status_warns_from_three_quarters_and_names_the_passed_threshold() -> None:
    who = account()
    who.fill("5h", 0.74, T0)
    assert headers(who, T0)[U + "5h-status"] == "allowed"
    assert U + "5h-surpassed-threshold" not in headers(who, T0)
    who.fill("5h", 0.76, T0)
    assert headers(who, T0)[U + "5h-surpassed-threshold"] == "0.75"
    who.fill("5h", 0.91, T0)
    seen = headers(who, T0)
    assert seen[U + "5h-status"] == seen[U + "status"] == "allowed_warning"
    assert seen[U + "5h-surpassed-threshold"] == "0.9"
    assert seen[U + "representative-claim"] == "five_hour"
    assert seen[U + "reset"] == seen[U + "5h-reset"]


def test_a_full_window_refuses_with_the_headers_of_a_real_capture() -> None:
    who = account()
    who.fill("5h", 1.13, T0, reset_in=600)
    who.fill("7d", 0.09, T0)
    assert who.refusal(OPUS, T0) == QuotaRefusal("5h", 600)
    seen = headers(who, T0)
    expected = {
        "status": "rejected",
        "5h-status": "rejected",
        "5h-utilization": "1.13",
        "5h-surpassed-threshold": "1.0",
        "7d-status": "allowed",
        "7d-utilization": "0.09",
        "representative-claim": "five_hour",
        "fallback-percentage": "0.5",
        "overage-status": "rejected",
        "overage-disabled-reason": "org_level_disabled",
        "upgrade-paths": "upgrade_plan",
        "reset": str(int(T0 + 600)),
    }
    assert {name: seen[U + name] for name in expected} == expected
    assert seen["retry-after"] == "600"
    assert who.refusal(OPUS, T0 + 600) is None, "the refusal dies with the window"


def test_the_request_that_fills_the_window_is_served_and_the_next_refused() -> None:
    who = account()
    who.fill("5h", 0.99, T0)
    assert who.usable(OPUS, T0)
    who.charge(OPUS, TokenUsage(output=40), T0)
    served = dict(who.headers(OPUS, T0))
    assert served[U + "5h-utilization"] == "1.03"
    assert served[U + "5h-status"] == "allowed_warning"
    assert not who.usable(OPUS, T0)


def test_a_model_scoped_window_refuses_its_models_only() -> None:
    who = account(model_scoped={"7d_oi": ("fable", 500)})
    who.charge(OPUS, TokenUsage(output=400), T0)
    assert U + "7d_oi-status" not in headers(who, T0, OPUS)
    assert headers(who, T0, FABLE)[U + "7d_oi-utilization"] == "0.0"
    who.fill("7d_oi", 1.0, T0, reset_in=51_811)
    assert who.usable(OPUS, T0)
    seen = headers(who, T0, FABLE)
    assert seen[U + "status"] == seen[U + "7d_oi-status"] == "rejected"
    assert seen[U + "5h-status"] == seen[U + "7d-status"] == "allowed"
    assert seen[U + "representative-claim"] == "seven_day_overage_included"
    assert 51_810 <= int(seen["retry-after"]) <= 51_811


def test_two_full_windows_refuse_until_the_later_end() -> None:
    who = account()
    who.fill("5h", 1.0, T0, reset_in=600)
    who.fill("7d", 1.0, T0, reset_in=86_400)
    assert who.refusal(OPUS, T0) == QuotaRefusal("7d", 86_400)


def test_a_burst_is_refused_without_any_header() -> None:
    who = account(max_inflight=2)
    who.begin_request(T0)
    who.begin_request(T0)
    assert who.refusal(OPUS, T0) == QuotaRefusal("burst")
    assert headers(who, T0) == {}
    who.end_request()
    assert who.refusal(OPUS, T0) is None


def test_pretended_refusal_leaves_the_real_windows_alone() -> None:
    who = account()
    seen = dict(who.refused_headers(OPUS, T0, "7d", utilization=1.02, reset_in=900))
    assert seen[U + "7d-status"] == "rejected"
    assert seen[U + "representative-claim"] == "seven_day"
    assert seen["retry-after"] == "900"
    assert who.usable(OPUS, T0)


def test_key_limits_have_their_own_headers_and_refill_evenly() -> None:
    who = FakeAccount(
        "k", "sk-ant-api03-FAKE", kind="apikey", limits=KeyLimits(60, input_tokens=6000, output_tokens=1200)
    )
    who.begin_request(T0)
    who.charge(OPUS, TokenUsage(input=3000, cache_read=99_999, output=600), T0)
    seen = dict(who.headers(OPUS, T0))
    prefix = "anthropic-ratelimit-"
    assert not any("unified" in name for name in seen)
    assert seen[prefix + "requests-limit"] == "60"
    assert seen[prefix + "requests-remaining"] == "59"
    assert seen[prefix + "input-tokens-remaining"] == "3000"
    assert seen[prefix + "output-tokens-remaining"] == "600"
    assert seen[prefix + "tokens-limit"] == "7200"
    assert seen[prefix + "tokens-remaining"] == "3600"
    reset = datetime.strptime(seen[prefix + "input-tokens-reset"], "%Y-%m-%dT%H:%M:%SZ")
    assert 30 <= reset.replace(tzinfo=timezone.utc).timestamp() - T0 <= 31
    assert seen[prefix + "tokens-reset"] == max(
        seen[prefix + f"{n}-tokens-reset"] for n in ("input", "output")
    )
    assert dict(who.headers(OPUS, T0 + 15))[prefix + "input-tokens-remaining"] == "4500"


def test_an_exhausted_key_says_when_to_come_back() -> None:
    who = FakeAccount("k", "sk-ant-api03-FAKE", kind="apikey", limits=KeyLimits(60, output_tokens=600))
    who.charge(OPUS, TokenUsage(output=1199), T0)
    refusal = who.refusal(OPUS, T0)
    assert refusal == QuotaRefusal("minute", 60)
    assert dict(who.headers(OPUS, T0, refusal))["retry-after"] == "60"
    assert who.usable(OPUS, T0 + 61)


def test_usable_takes_a_ceiling_that_is_compared_as_headers_show_it() -> None:
    used = account()
    used.fill("5h", 0.976, 0.0)
    assert used.usable(OPUS, 0.0)
    assert not used.usable(OPUS, 0.0, 0.98)
    used.fill("5h", 0.974, 0.0)
    assert used.usable(OPUS, 0.0, 0.98)
