// Calls Bedrock with Vercel's AI SDK and prints what it read, as JSON.
import { createAmazonBedrock } from "@ai-sdk/amazon-bedrock";
import { generateObject, generateText, jsonSchema, streamText, tool } from "ai";

const schema = jsonSchema({
  type: "object",
  properties: { city: { type: "string" } },
  required: ["city"],
});
const provider = (apiKey) =>
  createAmazonBedrock({ apiKey, baseURL: process.env.AWS_ENDPOINT_URL, region: process.env.AWS_REGION });
const model = provider(process.env.LONG_TERM_KEY)("us.anthropic.claude-sonnet-4-6");
const prompt = "Hello";

const { text } = await generateText({ model, prompt });
let streamed = "";
for await (const piece of streamText({ model, prompt }).textStream) {
  streamed += piece;
}
const used = await generateText({
  model,
  prompt,
  tools: { weather: tool({ inputSchema: schema }) },
  toolChoice: "required",
});
const { toolName: name, input } = used.toolCalls[0];
const { object: structured } = await generateObject({ model, prompt, schema });

let denied = "";
try {
  const refused = provider(process.env.SHORT_TERM_KEY)("us.anthropic.claude-sonnet-4-6");
  await generateText({ model: refused, prompt, maxRetries: 0 });
} catch (error) {
  denied = `${error.message} ${error.responseBody ?? ""}`;
}
process.stdout.write(
  JSON.stringify({ text, stream: streamed, tool: { name, input }, structured, denied }),
);
