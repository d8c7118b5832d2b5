"""`bedrock-bearer policy explain`: what policies say, and why a call was denied."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NoReturn

import click

from bedrock_bearer.cli.group import check_sources
from bedrock_bearer.cli.outcome import REFUSED
from bedrock_bearer.cli.policy_aws import AwsAnswers, ask_about_action, ask_about_denial
from bedrock_bearer.cli.policy_files import LAYERS, read_policy, refuse
from bedrock_bearer.cli.policy_output import PolicyOutput
from bedrock_bearer.cli.policy_preflight import (
    ModelQuestion,
    document_of,
    lines_of,
    preflight_of,
)
from bedrock_bearer.facts import CALL_WITH_BEARER_TOKEN, LONGEST_AGE_DAYS, USE_KEY

if TYPE_CHECKING:
    from bedrock_bearer.access.denial import Denial
    from bedrock_bearer.access.governing import GoverningPolicy
    from bedrock_bearer.access.located import LocatedStatement
    from bedrock_bearer.access.policy_set import PolicySet
    from bedrock_bearer.access.questions import Question
    from bedrock_bearer.aws.policies import FetchedPolicies
    from bedrock_bearer.keys.description import KeyDescription

Command = Callable[..., None]


def _files(name: str, text: str) -> Callable[[Command], Command]:
    return click.option(name, multiple=True, type=click.Path(), metavar="FILE", help=text)


@click.command()
@_files("--policy", "An identity-based policy.")
@_files("--scp", "A service control policy.")
@_files("--rcp", "A resource control policy.")
@_files("--boundary", "The permissions boundary.")
@_files("--session", "A session policy.")
@_files("--vpc-endpoint", "The policy of the VPC endpoint.")
@click.option("--complete", is_flag=True, help="The files are all policies that there are.")
@click.option(
    "--context",
    multiple=True,
    metavar="KEY=VALUE",
    help="A condition key of the request; without a value, one that it does not carry.",
)
@click.option("--from-aws", is_flag=True, help="Read the principal's policies from AWS.")
@click.option(
    "--token-type",
    type=click.Choice(["SHORT_TERM", "LONG_TERM"], case_sensitive=False),
    help="Ask about calls with keys of this type.",
)
@click.option(
    "--key",
    "key_source",
    metavar="SOURCE",
    callback=check_sources,
    help="The key: env:NAME, file:PATH or -.",
)
@click.option(
    "--age-days",
    type=click.IntRange(1, LONGEST_AGE_DAYS),
    help="Ask about creating a key that lives so long.",
)
@click.option("--never-expires", is_flag=True, help="Ask about creating a key without an age.")
@click.option("--mantle", is_flag=True, help="Ask about the bedrock-mantle endpoint.")
@click.option("--model", metavar="MODEL", help="Ask about all that a Converse call of it needs.")
@click.option("--stream", is_flag=True, help="With --model: ask about ConverseStream.")
@click.option("--message", metavar="-", help="Explain the denial on standard input.")
@click.option("--redact", is_flag=True, help="Mask account ids and ARNs.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def explain(**options: Any) -> None:
    """Say what policies decide on a call with a key, or on the creation of one.

    Files are taken for what they are given as, and not for all policies that there are, unless
    --complete is given. The answer is `denied` (exit code 4), `not denied` by these, `allowed` (0)
    or `undecided` (8), which depends on what it names.

    With --message -, the denial on standard input is explained (exit code 4), and its statement is
    looked for in the policies given. With --from-aws, the policies are read of the principal that
    the denial names, else of the IAM user of the key, else of the AWS credentials that are used.
    IAM Toolbox is asked what decided, if the denial carries an authorization id, and IAM's
    simulator what it says of each type of key.

    With --model, everything is checked that one call needs: the use of the key, and the model or
    the inference profile with each foundation model behind it. What is missing is printed as the
    statement to add.
    """
    asked = _Asked(**options)
    asked.check()
    output = PolicyOutput(asked.as_json, asked.redact)
    key = _key(asked.key_source, asked.token_type)
    policies = _policies(asked)
    if asked.message == "-":
        denial = _denial(as_json=asked.as_json)
        fetched = _fetched(denial.principal_arn, key) if asked.from_aws else None
        _explain_denial(denial, key, asked, policies, fetched, output)
    question = _question(key, asked)
    fetched = _fetched(None, key) if asked.from_aws else None
    if fetched is not None:
        policies = fetched.policies.merged_with(policies)
        question = question.knowing(fetched.context)
    if asked.model is not None:
        _explain_call(question, key, asked, policies, fetched, output)
    _explain_decision(question, asked, policies, fetched, output)


@dataclass(frozen=True, slots=True)
class _Asked:
    """The options of the command."""

    policy: tuple[str, ...]
    scp: tuple[str, ...]
    rcp: tuple[str, ...]
    boundary: tuple[str, ...]
    session: tuple[str, ...]
    vpc_endpoint: tuple[str, ...]
    complete: bool
    context: tuple[str, ...]
    from_aws: bool
    token_type: str | None
    key_source: str | None
    age_days: int | None
    never_expires: bool
    mantle: bool
    model: str | None
    stream: bool
    message: str | None
    redact: bool
    as_json: bool

    @property
    def files(self) -> dict[str, tuple[str, ...]]:
        """The files of each kind of policy."""
        members = {"identity": "policy", "vpc-endpoint": "vpc_endpoint"}
        return {kind: getattr(self, members.get(kind, kind)) for kind in LAYERS}

    @property
    def known(self) -> dict[str, Any]:
        """The condition keys given, of which one given twice has several values."""
        known: dict[str, Any] = {}
        for text in self.context:
            name, _, value = text.partition("=")
            if not value:
                known[name] = None
            elif known.get(name) is None:
                known[name] = value
            else:
                earlier = known[name]
                known[name] = [*(earlier if isinstance(earlier, list) else [earlier]), value]
        return _of_role(known)

    def check(self) -> None:
        """Raise if the options do not go together."""
        if self.message not in (None, "-"):
            raise click.UsageError("--message takes - : the denial is read from standard input.")
        if self.message == "-" and self.key_source == "-":
            raise click.UsageError("--message - and --key - cannot both read standard input.")
        if not (any(self.files.values()) or self.from_aws or self.message):
            raise click.UsageError("Give --policy FILE or --from-aws, or --message - and a denial.")
        if self.model and (self.message or self.mantle or self.age_days or self.never_expires):
            raise click.UsageError("--model asks about a Converse call: of a key, on bedrock.")
        if self.stream and not self.model:
            raise click.UsageError("--stream goes with --model.")
        if not all(":" in text.partition("=")[0] and "=" in text for text in self.context):
            raise click.UsageError("--context takes KEY=VALUE, such as aws:SourceIp=203.0.113.7.")


def _of_role(known: dict[str, Any]) -> dict[str, Any]:
    """Return condition keys with what the ARN of a session tells: AWS compares that of its role."""
    from bedrock_bearer.access.request_context import principal_context

    for name, value in known.items():
        if name.lower() == "aws:principalarn" and ":assumed-role/" in str(value):
            others = {key: given for key, given in known.items() if key != name}
            return {**principal_context(str(value)), **others}
    return known


def _key(source: str | None, token_type: str | None) -> KeyDescription | None:
    """Return the key that is asked about; a type that was given overrides the key's own."""
    from bedrock_bearer.keys.description import KeyDescription, TokenType
    from bedrock_bearer.keys.stored import read_key

    if source is None and token_type is None:
        return None
    unnamed = KeyDescription(None, "", "the command line")
    key = unnamed if source is None else read_key(source).description
    return key if token_type is None else replace(key, token_type=TokenType(token_type))


def _policies(asked: _Asked) -> PolicySet:
    from bedrock_bearer.access.policy_set import PolicySet

    layers: dict[str, Any] = {
        LAYERS[kind].member: [read_policy(path, as_json=asked.as_json) for path in paths]
        for kind, paths in asked.files.items()
    }
    return PolicySet(**layers)


def _fetched(principal_arn: str | None, key: KeyDescription | None) -> FetchedPolicies:
    from bedrock_bearer.aws.policies import fetch_policies
    from bedrock_bearer.regions import partition_of, region_of_environment

    if principal_arn is None and key is not None:
        partition = partition_of(region_of_environment() or "us-east-1")
        principal_arn = key.principal_arn(partition)
    return fetch_policies(principal_arn)


def _of(fetched: FetchedPolicies | None, unanswered: list[str]) -> dict[str, Any]:
    if fetched is None:
        return {}
    return {
        "principal_arn": fetched.principal_arn,
        "unread": fetched.unread,
        "unanswered": unanswered,
    }


# -------------------------------------------------------------------------- a pasted denial


def _denial(*, as_json: bool) -> Denial:
    from bedrock_bearer.access.denial import Denial

    denial = Denial.parse(sys.stdin.read() if sys.stdin else "")
    if denial is None:
        refuse("Standard input holds no denial in AWS's form.", as_json=as_json)
    return denial


def _explain_denial(
    denial: Denial,
    key: KeyDescription | None,
    asked: _Asked,
    policies: PolicySet,
    fetched: FetchedPolicies | None,
    output: PolicyOutput,
) -> NoReturn:
    from bedrock_bearer.access.explanation import explain_denial
    from bedrock_bearer.access.governing import GoverningPolicy
    from bedrock_bearer.access.location import locate

    governing = GoverningPolicy.from_denial(denial, key)
    candidates: list[LocatedStatement] = []
    known = {**_creation(asked), **asked.known}
    # If the denial names no principal, the policies fetched may be those of another one.
    is_about_fetched = bool(denial.principal_arn or (key and key.principal_arn()))
    for one in (policies, fetched.policies if fetched else None):
        if one is None:
            continue
        context = {**(fetched.context if fetched else {}), **known}
        candidates += locate(governing or denial, one, context)
        is_evidence = one is policies or is_about_fetched
        if governing is not None and governing.statement is None and is_evidence:
            governing = governing.located_in(one, context)
    answers = AwsAnswers(governing)
    if fetched is not None:
        context = {**(governing.known_context() if governing else {}), **fetched.context, **known}
        principal_arn = fetched.principal_arn if is_about_fetched else None
        answers = ask_about_denial(denial, governing, principal_arn, context)
        governing = answers.governing
    explanation = governing.explain() if governing else explain_denial(denial)
    document = {
        "outcome": "denied",
        "depends_on": [],
        "action": denial.action,
        "effect": denial.effect,
        "policy_type": denial.policy_type,
        "authorization_id": denial.authorization_id,
        "certainty": governing.certainty if governing else None,
        "decided_by": governing.decided_by if governing else None,
        "explanation": explanation,
        "statements": [one.to_document() for one in _statements(governing, candidates)],
        **answers.document,
        **_of(fetched, answers.unanswered),
    }
    is_said = governing is not None and governing.statement is not None
    more = [] if is_said else [f"May have refused: {one.describe()}" for one in candidates]
    output.end(document, [*explanation.splitlines(), *answers.lines, *more], REFUSED)


def _creation(asked: _Asked) -> dict[str, Any]:
    """Return the condition keys of the creation that was refused, if its age is given."""
    from bedrock_bearer.access.questions import creation_of_key

    if asked.age_days is None and not asked.never_expires:
        return {}
    return dict(creation_of_key(None if asked.never_expires else asked.age_days).asked)


def _statements(
    governing: GoverningPolicy | None, candidates: list[LocatedStatement]
) -> list[LocatedStatement]:
    if governing is not None and governing.statement is not None:
        return [governing.statement]
    return candidates


# ------------------------------------------------------------------------------ a decision


def _question(key: KeyDescription | None, asked: _Asked) -> Question:
    from bedrock_bearer.access.questions import Question, creation_of_key, use_of_key
    from bedrock_bearer.access.request_context import DIRECT_CALL
    from bedrock_bearer.regions import partition_of, region_of_environment

    if asked.age_days is not None or asked.never_expires:
        partition = partition_of(region_of_environment() or "us-east-1")
        return creation_of_key(None if asked.never_expires else asked.age_days, partition=partition)
    if asked.model is not None and (key is None or key.token_type is None):
        return Question(USE_KEY, {}, DIRECT_CALL)
    if key is None or key.token_type is None:
        raise click.UsageError(
            "Say what is asked: --token-type, --key, --model, --age-days or --never-expires, or "
            "give a denial by --message -."
        )
    region = key.region or (region_of_environment() if asked.from_aws else None)
    return use_of_key(key.token_type, mantle=asked.mantle, region=region)


def _explain_decision(
    question: Question,
    asked: _Asked,
    policies: PolicySet,
    fetched: FetchedPolicies | None,
    output: PolicyOutput,
) -> NoReturn:
    from bedrock_bearer.access.questions import ask

    question = question.knowing(asked.known)
    answer = ask(policies, question, complete=asked.complete or fetched is not None)
    decision = answer.decision
    answers = AwsAnswers()
    if fetched is not None and question.action.endswith(f":{CALL_WITH_BEARER_TOKEN}"):
        answers = ask_about_action(fetched.principal_arn, question.action, question.context)
    who = f" by {fetched.principal_arn}" if fetched else ""
    lines = [f"{question.describe()}{who}", answer.describe()]
    if decision.statement is not None and not decision.allowed:
        lines.append(decision.statement.describe())
    if any(":" in name for name in decision.depends_on):
        lines.append("Tell a condition key with --context KEY=VALUE.")
    assumptions = [*decision.assumptions, *_assumptions(asked, answer.outcome, fetched)]
    lines += [f"Taken for granted: {text}." for text in assumptions]
    lines += answers.lines
    document = {
        "depends_on": decision.depends_on,
        "action": question.action,
        "context": {**question.asked, **asked.known},
        "effect": decision.effect,
        "policy_type": decision.policy_type,
        "decided_by": decision.statement.condition_keys if decision.statement else None,
        "reason": answer.describe(),
        "statements": [decision.statement.to_document()] if decision.statement else [],
        "assumptions": assumptions,
        **answers.document,
    }
    output.end_answer(answer.outcome, lines, {**document, **_of(fetched, answers.unanswered)})


def _assumptions(asked: _Asked, outcome: str, fetched: FetchedPolicies | None) -> list[str]:
    """Return what an answer takes for granted of policies that nobody named."""
    if outcome != "allowed":
        return []
    assumptions = []
    if fetched is not None and not asked.vpc_endpoint and not asked.complete:
        assumptions.append("the call goes through no VPC endpoint with a policy of its own")
    if len(asked.scp) > 1:
        assumptions.append("the service control policies are all of one level of the organisation")
    return assumptions


# ------------------------------------------------------------------------ all of one call


def _explain_call(
    question: Question,
    key: KeyDescription | None,
    asked: _Asked,
    policies: PolicySet,
    fetched: FetchedPolicies | None,
    output: PolicyOutput,
) -> NoReturn:
    from bedrock_bearer.access.policy_set import OTHER_POLICIES
    from bedrock_bearer.regions import find_region

    if fetched is None and not policies.identity and not asked.complete:
        policies = replace(policies, identity=[OTHER_POLICIES])
    region, _ = find_region(None, key)
    question = question.knowing({"aws:RequestedRegion": region, **asked.known})
    account = question.context.get("aws:PrincipalAccount") or (key.account_id if key else None)
    about = ModelQuestion(str(asked.model), asked.stream, region, account, asked.from_aws)
    found, unanswered = preflight_of(about, policies, question.context)
    is_whole = asked.complete or fetched is not None
    outcome = "not denied" if found.outcome == "allowed" and not is_whole else found.outcome
    assumptions = _assumptions(asked, outcome, fetched)
    if found.statements_to_add and not is_whole:
        assumptions.append("the files are all policies of their kind; another one may allow it")
    lines = [*lines_of(found, outcome), *(f"Taken for granted: {text}." for text in assumptions)]
    document = {
        "depends_on": found.depends_on,
        "assumptions": assumptions,
        "action": question.action,
        "model": asked.model,
        **document_of(found),
    }
    output.end_answer(outcome, lines, {**document, **_of(fetched, unanswered)})
