// Calls Bedrock with AWS's JavaScript SDK and its default handler; prints what it read, as JSON.
import {
  BedrockRuntimeClient,
  ConverseCommand,
  ConverseStreamCommand,
} from "@aws-sdk/client-bedrock-runtime";

const schema = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
const request = {
  modelId: "us.anthropic.claude-sonnet-4-6",
  messages: [{ role: "user", content: [{ text: "Hello" }] }],
};
const toolConfig = {
  tools: [{ toolSpec: { name: "weather", inputSchema: { json: schema } } }],
  toolChoice: { any: {} },
};
const jsonSchema = { name: "city", schema: JSON.stringify(schema) };
const outputConfig = { textFormat: { type: "json_schema", structure: { jsonSchema } } };

const client = new BedrockRuntimeClient();
const block = async (more) => {
  const reply = await client.send(new ConverseCommand({ ...request, ...more }));
  return reply.output.message.content[0];
};

const text = (await block({})).text;
const stream = async (request) => {
  let streamed = "";
  const opened = await client.send(new ConverseStreamCommand(request));
  for await (const event of opened.stream) {
    streamed += event.contentBlockDelta?.delta?.text ?? "";
  }
  return streamed;
};
const streamed = await stream(request);
// The SDK ends its HTTP/2 session as soon as a stream begins; a long one has to come whole.
const long = "word ".repeat(20_000) + "end";
const echoed = await stream({ ...request, messages: [{ role: "user", content: [{ text: long }] }] });
if (echoed !== `You said: ${long}`) {
  throw new Error(`a long stream was cut off after ${echoed.length} characters`);
}
const use = (await block({ toolConfig })).toolUse;
const structured = JSON.parse((await block({ outputConfig })).text);
client.destroy();

process.env.AWS_BEARER_TOKEN_BEDROCK = process.env.SHORT_TERM_KEY;
let denied = "";
const refused = new BedrockRuntimeClient({ maxAttempts: 1 });
try {
  await refused.send(new ConverseCommand(request));
} catch (error) {
  denied = `${error.name}: ${error.message}`;
}
refused.destroy();

const tool = { name: use.name, input: use.input };
process.stdout.write(JSON.stringify({ text, stream: streamed, tool, structured, denied }));
