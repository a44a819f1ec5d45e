"""URLs of the site: plural nouns and opaque ids."""

from django.contrib.auth import views as auth
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.urls import path, re_path

from arena.views import health, sign_in
from arena.views.operators import providers, status
from arena.views.raters import battles, prompts
from arena.views.research import agreement, leaderboards, runs


@login_not_required
def robots(request: HttpRequest) -> HttpResponse:
    # Crawlers would open battles that never get a vote.
    return HttpResponse("User-agent: *\nDisallow: /battles/\nDisallow: /boards/*/battle/\n", content_type="text/plain")


urlpatterns = [
    path("", leaderboards.home, name="home"),
    path("boards/<slug:slug>/", leaderboards.leaderboard, name="leaderboard"),
    path("boards/<slug:slug>/charts/intervals.json", leaderboards.interval_chart, name="interval_chart"),
    path("boards/<slug:slug>/ratings.<slug:kind>", leaderboards.download, name="download"),
    path("boards/<slug:slug>/agreement/", agreement.show_agreement, name="agreement"),
    path("boards/<slug:slug>/battle/", battles.open_battle, name="open_battle"),
    path("boards/<slug:slug>/battle/prompt/", prompts.rater_prompt, name="rater_prompt"),
    path("battles/<str:token>/", battles.show_battle, name="battle"),
    path("battles/<str:token>/vote/", battles.vote, name="vote"),
    path("battles/<str:token>/report/", battles.report_problem, name="report_problem"),
    path("battles/<str:token>/source.jpg", battles.battle_source, name="battle_source"),
    path("battles/<str:token>/source-<int:number>.jpg", battles.battle_source, name="battle_source"),
    re_path(r"^battles/(?P<token>[^/]+)/(?P<side>[ab])\.jpg$", battles.battle_image, name="battle_image"),
    path("providers/", providers.providers, name="providers"),
    path("providers/<int:pk>/call-again/", providers.call_again, name="call_again"),
    path("generations/<int:pk>/", providers.show_generation, name="generation"),
    path("generations/<int:pk>/original", providers.original, name="original"),
    path("status/", status.show_status, name="status"),
    path("runs/", runs.list_runs, name="runs"),
    path("runs/<uuid:key>/", runs.show_run, name="run"),
    path("runs/<uuid:key>/report.html", runs.show_report, name="run_report"),
    path("runs/<uuid:key>/report.<slug:kind>", runs.download_report, name="run_download"),
    path("sign-in/", sign_in.SignInView.as_view(), name="login"),
    path("sign-out/", auth.LogoutView.as_view(), name="logout"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("robots.txt", robots, name="robots"),
]

handler400 = "arena.views.errors.bad_request"
handler403 = "arena.views.errors.forbidden"
handler404 = "arena.views.errors.not_found"
handler500 = "arena.views.errors.server_error"
