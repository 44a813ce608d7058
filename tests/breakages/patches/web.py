"""Ways to break the page of rtfx/remote/web."""

from .breakage import Breakage

GUARD, APP = "tests/remote/web/test_guard.py", "tests/remote/web/test_app.py"

BREAKAGES = [
    Breakage(
        "a page for every name",
        "if len(hosts) != 1 or not self._own(hosts[0]):",
        "if len(hosts) != 1:",
        f"{GUARD}::test_another_name_is_refused_as_it_may_be_rebound",
        same_code=True,
    ),
    Breakage(
        "a page for other web sites",
        "if foreign or len(origins) > 1 or (not origins and not reads):",
        "if len(origins) > 1 or (not origins and not reads):",
        f"{GUARD}::test_another_page_may_not",
        same_code=True,
    ),
    Breakage(
        "a page without its token",
        "if self._token and not (self._in_query(scope) or self._in_cookie(headers)):",
        "if self._token and scope['type'] == 'http' and not (self._in_query(scope) or self._in_cookie(headers)):",
        f"{GUARD}::test_the_token_opens_the_page_and_its_cookie_the_rest",
        same_code=True,
    ),
    Breakage(
        "a body of any size",
        "                left -= len(message.get",
        "                left -= 0 * len(message.get",
        f"{GUARD}::test_the_size_of_a_body_is_bounded_by_what_it_states_and_by_what_comes",
        same_code=True,
    ),
    Breakage(
        "a flood that loses its last value",
        "                if other == key:\n                    del self.commands[place]\n                    break",
        "                if other == key:\n                    return",
        f"{APP}::test_a_flood_keeps_its_last_value_and_other_commands_their_order",
        same_code=True,
    ),
    Breakage(
        "values that pass other commands",
        "                if not other:\n                    break",
        "                if not other:\n                    continue",
        f"{APP}::test_a_later_value_replaces_an_earlier_one_up_to_the_next_command",
        same_code=True,
    ),
    Breakage(
        "a page that ends the player",
        'NOT_FROM_PAGES = ("quit",)',
        "NOT_FROM_PAGES = ()",
        f"{APP}::test_a_command_that_fails_says_why",
        same_code=True,
    ),
    Breakage(
        "a page that is followed for ever",
        "        elif self._following and not self._pages:",
        "        elif self._following and not self._pages and not self._state:",
        f"{APP}::test_nothing_follows_the_stream_when_nobody_looks",
        same_code=True,
    ),
    Breakage(
        "an upload outside the user's folder",
        "if bare != name or not is_text(name)",
        "if not is_text(name)",
        "tests/remote/web/test_upload.py::test_a_name_that_leads_elsewhere_is_refused",
        same_code=True,
    ),
]
