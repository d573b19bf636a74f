// What a transform in JavaScript costs that does nothing: each event becomes one empty message.
// `tidegate transform bench` builds it with the tools of a project, and holds the project's beside it.

const publication = { channel: 'empties:one', messageType: 'empty', data: '{}' };

export const guest = {
  describe: () => ({
    name: 'empty', version: '1.0.0', summary: 'One empty message for each event.',
    settingsSchema: '{"type":"object","additionalProperties":false}',
    families: [{
      name: 'empties',
      parameters: [{ name: 'name', allowed: { tag: 'one-of', val: ['one'] } }],
      messages: [{
        messageType: 'empty',
        dataSchema: '{"type":"object","additionalProperties":false,"properties":{}}',
      }],
      delivery: 'every', snapshotOnSubscribe: false,
    }],
  }),
  configure: () => ({
    upstreamPatterns: ['empty:one'],
    samples: [{
      channel: 'empty:one', payload: new Uint8Array([123, 125]), receivedAt: 0,
      expected: { tag: 'ok', val: [publication] },
    }],
  }),
  transform: () => [publication],
};
