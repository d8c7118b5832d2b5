"""Functions as tools: the model asks, your functions answer. `python examples/tool_loop.py`

It runs on the Bedrock on this machine, which is told what the model will ask for.
"""

from bedrock_bearer import MessageInput, run_tools
from bedrock_bearer.local import LocalBedrock, local_client
from bedrock_bearer.local.replies import tool_use_reply

MODEL = "us.amazon.nova-micro-v1:0"


def get_weather(city: str, unit: str = "celsius") -> str:
    """The weather in a city.

    Args:
        city: its name, such as Bonn.
        unit: celsius or fahrenheit.
    """
    return f"12 degrees {unit} in {city}, light rain"


bedrock = LocalBedrock()
bedrock.script(tool_use_reply("get_weather", {"city": "Bonn"}))

with local_client(bedrock) as client:
    messages: list[MessageInput] = ["Do I need an umbrella in Bonn?"]
    reply = client.converse(MODEL, messages, tools=[get_weather])
    while reply.stop_reason == "tool_use":
        messages += [reply.message, run_tools(reply, [get_weather])]
        reply = client.converse(MODEL, messages, tools=[get_weather])
    print(reply.text)
