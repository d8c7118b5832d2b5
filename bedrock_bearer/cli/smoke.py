"""`bedrock-bearer smoke`: one small Converse call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from bedrock_bearer.cli.default_model import MODEL_VARIABLE, chosen_model
from bedrock_bearer.cli.outcome import key_document, print_json
from bedrock_bearer.errors import InvalidRequestError, ResourceNotFoundError

if TYPE_CHECKING:
    from bedrock_bearer.client import BedrockClient
    from bedrock_bearer.converse.response import ConverseResponse

MAX_TOKENS = 100


@click.command()
@click.argument("prompt", default="Hello")
@click.option("-m", "--model", help=f"Model or inference profile. Default: {MODEL_VARIABLE}.")
@click.option(
    "-r",
    "--region",
    help="AWS Region. Default: AWS_REGION, AWS_DEFAULT_REGION, the key's or the AWS profile's.",
)
@click.option("--endpoint-url", help="Where to call instead of the Region's endpoint.")
@click.option("--stream", is_flag=True, help="Call ConverseStream.")
@click.option("--local", is_flag=True, help="Call a Bedrock on this machine: no account needed.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def smoke(
    prompt: str,
    model: str | None,
    region: str | None,
    endpoint_url: str | None,
    stream: bool,
    local: bool,
    as_json: bool,
) -> None:
    """Make one small Converse call and print the reply and what it cost.

    The key comes from AWS_BEARER_TOKEN_BEDROCK.
    """
    if not prompt.strip():
        raise click.UsageError("The PROMPT is empty.")
    try:
        with _client(region, endpoint_url, local) as client:
            model_id = chosen_model(model, client.region)
            reply = _call(client, model_id, prompt, stream=stream, show=stream and not as_json)
            region = client.region
    except (InvalidRequestError, ResourceNotFoundError) as error:
        if model is None:
            error.message += (
                f" Pass a model that your account may use here with -m, or set {MODEL_VARIABLE}."
            )
        raise
    document = _document(reply, model_id, region, local)
    if as_json:
        print_json(document)
        return
    click.echo("" if stream else reply.text)
    click.echo(_summary(document), err=True)


def _client(region: str | None, endpoint_url: str | None, local: bool) -> BedrockClient:
    from bedrock_bearer.client import BedrockClient

    if not local:
        return BedrockClient(region=region, endpoint_url=endpoint_url)
    from bedrock_bearer.local.embedded import local_client

    return local_client(region=region or "us-east-1")


def _call(
    client: BedrockClient, model_id: str, prompt: str, *, stream: bool, show: bool
) -> ConverseResponse:
    if not stream:
        return client.converse(model_id, prompt, max_tokens=MAX_TOKENS)
    with client.converse_stream(model_id, prompt, max_tokens=MAX_TOKENS) as events:
        for text in events.text_stream:
            if show:
                click.echo(text, nl=False)
        return events.final_response()


def _document(
    reply: ConverseResponse, model_id: str, region: str | None, local: bool
) -> dict[str, Any]:
    usage, metrics = reply.usage, reply.metrics
    return {
        "ok": True,
        "local": local,
        "text": reply.text,
        "model": model_id,
        "region": region,
        "stop_reason": reply.stop_reason,
        "input_tokens": usage.input_tokens if usage else None,
        "output_tokens": usage.output_tokens if usage else None,
        "total_tokens": usage.total_tokens if usage else None,
        "latency_ms": metrics.latency_ms if metrics else None,
        "request_id": reply.request_id,
        "key": key_document(reply.key),
    }


def _summary(document: dict[str, Any]) -> str:
    key = document["key"]
    kind = key["token_type"] or "of unknown type"
    expiry = f", expires {key['expires_at']} at the latest" if key["expires_at"] else ""
    lines = [
        f"model    {document['model']}",
        f"region   {document['region'] or 'unknown'}",
        f"tokens   {document['input_tokens']} in, {document['output_tokens']} out, "
        f"{document['total_tokens']} in all",
        f"latency  {document['latency_ms']} ms",
        f"key      {kind} {key['fingerprint']} from {key['source']}{expiry}",
        f"request  {document['request_id']}",
    ]
    if document["local"]:
        lines.append("This was a Bedrock on this machine, not AWS. Its token counts are made up.")
    return "\n".join(lines)
