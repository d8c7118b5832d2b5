"""AWS's denial sentence, parsed.

AWS words a denial in one of two forms, both described in "Troubleshoot access denied error
messages" of the IAM user guide:

    User: ARN is not authorized to perform: ACTION [on resource: RESOURCE]
        with an explicit deny in a POLICY TYPE[: POLICY ARN]
        because no POLICY TYPE allows the ACTION action

https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
"""

from __future__ import annotations

import html
import itertools
import re
from dataclasses import dataclass
from os.path import commonprefix
from typing import Any, Literal

from bedrock_bearer.access.request_context import DIRECT_CALL, principal_context
from bedrock_bearer.facts import USE_KEY, USE_KEY_ON_MANTLE
from bedrock_bearer.keys.description import TokenType

Effect = Literal["explicit", "implicit"]

POLICY_TYPES = (
    "identity-based policy",
    "service control policy",
    "resource control policy",
    "permissions boundary",
    "session policy",
    "VPC endpoint policy",
    "resource-based policy",
    "role trust policy",
)

_BEARER_TOKEN_ACTIONS = (USE_KEY.lower(), USE_KEY_ON_MANTLE.lower())

# Every repetition below has an upper bound, so the time stays linear whatever the text is. The
# patterns are texts, which `re` compiles when the first denial comes: a start needs none of them.
_ACTION = r"(?!arn:)[A-Za-z0-9-]{1,64}:[A-Za-z0-9*]{1,128}"
_NOT_AUTHORIZED = "not authorized to perform"
_REFUSAL = rf"{_NOT_AUTHORIZED}:? ?({_ACTION})(?![\w:/…]|\.\.\.)"
_NEXT_REFUSAL = rf"User: \S{{1,2048}} is not authorized to |{_NOT_AUTHORIZED}"
_NOT_ALLOWED = (
    rf"because (?:no|the) ([A-Za-z][A-Za-z0-9 _-]{{1,80}}?)"
    rf" (?:allows?|does not allow) the ({_ACTION}) action"
)
_CONTEXT = r" (?:with an explicit deny\b|because (?:no|the) )"
_IMPLICIT = r" because (?:no|the) ([A-Za-z][A-Za-z0-9 _-]{1,80}?) (?:allow|does not)"
_EXPLICIT = r" with an explicit deny in (?:an? |the )?([A-Za-z][A-Za-z0-9 _-]{0,160})"
_POLICY_ARN = r" ?: ?(arn:[^\s\"'\\,;<>]{1,2048})"
_AUTHORIZATION_ID = r"(?:authorization id: ?|#/authorization-details/)([A-Za-z0-9_-]{1,256})"
_AUTHORIZATION_REGION = r"console\.[a-z0-9.-]{1,64}/iam/home\?region=([a-z0-9-]{1,32})"
_NAMED_POLICY = r"(.{0,150}?\b(?:policy|policies|boundary))\b"
_THROUGH = r" transitively through (?:an? |the )?(.{1,160})"
_PRINCIPAL = r"(arn:[^\s\"'<>|]{1,2048})[\"']?(?: [^A-Za-z\s]{1,8})? is$"
_END_OF_SENTENCE = r"(?:^|[^.])\. [A-Z]"
_QUOTE_MARKS = r"^[ \t>|#]{1,200}"
_ESCAPED = r"\\{1,8}([\"'/])"
_ESCAPED_SPACE = r"\\{1,8}[nrt]"
_MARKUP = (
    r"</?(?:a|b|br|code|div|em|font|i|kbd|li|mark|p|pre|samp|span|strong|td|tr|tt|u|ul)"
    r"(?: [^<>\n]{0,200})?/?>|\x1b\[[0-9;]{0,16}[A-Za-z]|`|\*\*"
)
"""Tags of HTML, colours of terminals, and Markdown's code and bold type."""
_NAMED_KEY = r"\b(ShortTerm|LongTerm)KeyDenied|\b(?:with a|key was) (SHORT_TERM|LONG_TERM)\b"
_NARROWEST = 40
"""Narrower terminals are left out: short lines often have the same length by chance."""
_ANY_DIGIT = str.maketrans("123456789", "000000000")
_TEMPORARY = r"arn:[a-z0-9-]{1,32}:(?:sts::[0-9]*:|iam::[0-9]*:role/)"
"""Principals that have no long-term key: only an IAM user has one."""


@dataclass(frozen=True, slots=True)
class Denial:
    """What AWS's denial sentence says.

    Attributes:
        action: the action that was refused, such as `bedrock:CallWithBearerToken`.
        principal_arn: who called, as AWS saw it; None if the sentence does not say.
        resource: an ARN, `*` or AWS's own words; None if the sentence does not say.
        effect: `explicit` (a Deny matched), `implicit` (no Allow matched) or None if unknown.
        policy_type: the kind of policy that refused, in AWS's words (`service control policy`); a
            kind that this library does not know is kept as AWS wrote it. AWS names only one, even
            when several refuse.
        policy_arn: the ARN of the policy that denies. AWS gives it only for explicit denials by a
            managed policy of the same account or organisation.
        authorization_id: the id that `GetRequestAuthorizationDetails` takes, or None.
        text: the text that was parsed.
        through: the second policy type of "a VPC endpoint policy transitively through a
            service control policy", or None.
        authorization_region: the Region of the link to the authorization details, or None.
    """

    action: str
    principal_arn: str | None
    resource: str | None
    effect: Effect | None
    policy_type: str | None
    policy_arn: str | None
    authorization_id: str | None
    text: str
    through: str | None = None
    authorization_region: str | None = None

    @classmethod
    def parse(cls, text: str) -> Denial | None:
        """Parse a denial; return None if the text holds none. Never raises; linear time.

        Text around the sentence is skipped. A fragment is enough if it names the action. Of
        several denials, the first is parsed.
        """
        found = [cls._parse_sentence(sentence, text) for sentence in _on_one_line(text)]
        return max(filter(None, found), key=cls._told, default=None)

    @classmethod
    def _parse_sentence(cls, sentence: str, text: str) -> Denial | None:
        refusal = re.search(_REFUSAL, sentence)
        if refusal is None:
            return _parse_fragment(sentence, text)
        tail = sentence[refusal.end() :]
        following = re.search(_NEXT_REFUSAL, tail)
        tail = tail[: following.start()] if following else tail
        resource, context = _split_resource(tail)
        effect, policy_type, policy_arn = _read_context(context)
        policy_type, through = _normalise_policy_type(policy_type)
        return cls(
            action=refusal[1],
            principal_arn=_principal_before(sentence[: refusal.start()]),
            resource=resource,
            effect=effect,
            policy_type=policy_type,
            policy_arn=policy_arn,
            authorization_id=_authorization_id(tail),
            text=text,
            through=through,
            authorization_region=_authorization_region(tail),
        )

    def _told(self) -> int:
        """Return how much of a denial is there: a wrong reading loses some of it."""
        return sum(
            (
                self.is_bearer_token_denial,
                self.principal_arn is not None,
                (self.resource or "").startswith(("*", "arn:")),
                self.effect is not None,
                self.policy_type in POLICY_TYPES,
                ":policy/" in (self.policy_arn or ""),
            )
        )

    @property
    def is_bearer_token_denial(self) -> bool:
        """Whether the use of an API key itself was refused (`CallWithBearerToken`)."""
        return self.action.lower() in _BEARER_TOKEN_ACTIONS

    @property
    def account_id(self) -> str | None:
        """The account of the principal, from its ARN."""
        return account_of(self.principal_arn)

    @property
    def token_type(self) -> TokenType | None:
        """The type of the key that was refused, as far as the text tells.

        A text that names the type, such as the output of `bedrock-bearer smoke`, tells it. So does
        a role or session as principal: only IAM users have long-term keys.
        """
        if not self.is_bearer_token_denial:
            return None
        if re.match(_TEMPORARY, self.principal_arn or ""):
            return TokenType.SHORT_TERM
        # What is said of a second denial says nothing of this one.
        refusals = list(re.finditer(_NOT_AUTHORIZED, self.text))
        end = self.text.rfind("\n", 0, refusals[1].start()) if len(refusals) > 1 else -1
        found = re.search(_NAMED_KEY, self.text if end < 0 else self.text[:end])
        if found is None:
            return None
        is_short = "SHORT_TERM" in found[0] or found[1] == "ShortTerm"
        return TokenType.SHORT_TERM if is_short else TokenType.LONG_TERM

    def known_context(self) -> dict[str, Any]:
        """Return the condition keys of the refused call that are known."""
        return {**DIRECT_CALL, **principal_context(self.principal_arn)}


def account_of(arn: str | None) -> str | None:
    """Return the twelve digits of an ARN's account field, or None."""
    parts = (arn or "").split(":", 5)
    if len(parts) < 6 or not re.fullmatch(r"[0-9]{12}", parts[4]):
        return None
    return parts[4]


def _on_one_line(text: str) -> list[str]:
    """Return the text without line breaks, quote marks, markup and escapes, in one or two readings.

    A terminal breaks lines inside words as well: if several lines have the full width, the first
    reading has nothing in place of their breaks. If only one has, this is the second reading.
    """
    if "&" in text:
        text = html.unescape(text)
    text = re.sub(_MARKUP, "", text)
    if "\\" in text:
        text = re.sub(_ESCAPED, r"\1", re.sub(_ESCAPED_SPACE, "\n", text))
    lines = [line for line in text.splitlines() if line.strip()]
    prefix = len(_common_prefix(lines))
    lines = [line[prefix:] for line in lines]
    width = max(map(len, lines), default=0)
    full = sum(len(line) == width for line in lines[:-1])
    plain = [re.sub(_QUOTE_MARKS, "", line) for line in lines]
    spaced = " ".join(" ".join(plain).split())
    if not full or width < _NARROWEST or spaced.count(_NOT_AUTHORIZED) > 1:
        return [spaced]
    ends = [
        "" if len(line) == width and following[:1] not in " " else " "
        for line, following in itertools.pairwise([*lines, " "])
    ]
    pieces = itertools.chain.from_iterable(zip(plain, ends, strict=True))
    readings = [" ".join("".join(pieces).split()), spaced]
    return readings if full > 1 else readings[::-1]


def _common_prefix(lines: list[str]) -> str:
    """Return what a logger wrote before each line: the same words, and digits that may differ."""
    if len(lines) < 2:
        return ""
    prefix = commonprefix(  # noqa: RUF071 - lines, not paths
        [line.translate(_ANY_DIGIT) for line in lines]
    ).partition("User:")[0]
    if "authorized" in prefix:
        return ""
    return prefix[: len(prefix) - len(prefix.rpartition(" ")[2])]


def _parse_fragment(sentence: str, text: str) -> Denial | None:
    found = re.search(_NOT_ALLOWED, sentence)
    if found is None:
        return None
    policy_type, through = _normalise_policy_type(found[1])
    return Denial(
        action=found[2],
        principal_arn=None,
        resource=None,
        effect="implicit",
        policy_type=policy_type,
        policy_arn=None,
        authorization_id=_authorization_id(sentence),
        text=text,
        through=through,
        authorization_region=_authorization_region(sentence),
    )


def _principal_before(head: str) -> str | None:
    found = re.search(_PRINCIPAL, head[-2100:].rstrip())
    return found[1] if found else None


def _split_resource(tail: str) -> tuple[str | None, str]:
    """Return the resource, and the rest from the space before `with` or `because`."""
    for opening in (" on resource: ", " on resource:", " on "):
        if tail.startswith(opening):
            return _read_resource(tail[len(opening) :])
    context = re.search(_CONTEXT, tail)
    # A pasted denial may have gaps; another sentence is not part of it.
    if context is None or re.search(_END_OF_SENTENCE, tail[: context.start()]):
        return None, ""
    return None, tail[context.start() :]


def _read_resource(rest: str) -> tuple[str | None, str]:
    if rest[:1] in ('"', "'"):
        closing = rest.find(rest[0], 1)
        if closing > 0:
            return rest[1:closing] or None, rest[closing + 1 :]
    context = re.search(_CONTEXT, rest)
    if context and " not authorized to " not in rest[: context.start()]:
        return rest[: context.start()].strip("\"' ") or None, rest[context.start() :]
    if rest.startswith(("arn:", "*")):
        return rest.split(" ", 1)[0].rstrip(".,;\"'\\}])") or None, ""
    return re.split(r"\. |[\"'\\}]", rest, maxsplit=1)[0].rstrip(" .,;") or None, ""


def _read_context(context: str) -> tuple[Effect | None, str | None, str | None]:
    implicit = re.match(_IMPLICIT, context)
    if implicit:
        return "implicit", implicit[1], None
    explicit = re.match(_EXPLICIT, context)
    if explicit:
        return "explicit", explicit[1], _policy_arn(context, explicit.end())
    if context.startswith(" with an explicit deny"):
        return "explicit", None, None
    return None, None, None


def _policy_arn(context: str, position: int) -> str | None:
    found = re.match(_POLICY_ARN, context[position:])
    return found[1].rstrip(".)}]") if found else None


def _authorization_id(sentence: str) -> str | None:
    found = re.search(_AUTHORIZATION_ID, sentence)
    return found[1] if found else None


def _authorization_region(sentence: str) -> str | None:
    found = re.search(_AUTHORIZATION_REGION, sentence)
    return found[1] if found else None


def _normalise_policy_type(phrase: str | None) -> tuple[str | None, str | None]:
    """Return AWS's name of the policy type, and of the type that it came through."""
    if phrase is None:
        return None, None
    through = re.search(_THROUGH, phrase, re.IGNORECASE)
    if through is None:
        return _known_policy_type(phrase), None
    return _known_policy_type(phrase[: through.start()]), _known_policy_type(through[1])


def _known_policy_type(phrase: str) -> str:
    named = re.match(_NAMED_POLICY, phrase, re.IGNORECASE)
    name = (named[1] if named else phrase).strip()
    # "sessions policy" is the IAM user guide's own spelling.
    plain = name.lower().replace("sessions policy", "session policy").replace("policies", "policy")
    for policy_type in POLICY_TYPES:
        if plain.replace(" based", "-based") == policy_type.lower():
            return policy_type
    return name
