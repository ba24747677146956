// The user of an operation in the shape of App Connect's model. What save() keeps becomes the change in the answer.

class User {
  #operation;
  #original;
  #changes;

  constructor(operation, input, original) {
    Object.assign(this, input.user);
    this.#operation = operation;
    this.#original = original;
    if (typeof this.tokenExpiry === 'string') this.tokenExpiry = new Date(this.tokenExpiry);
    const header = input.authHeader;
    if (typeof header === 'string' && header.startsWith('Bearer ')) this.accessToken = header.slice(7);
    if (input.refreshToken !== undefined) this.refreshToken = input.refreshToken;
    this.platformAdditionalInfo ??= {};
  }

  async save() {
    this.#changes = this.#changed();
    this.#warn();
    return this;
  }

  // #warn names what a connector changes in vain. At a logout the host forgets all, and a refresh answers with the tokens.
  #warn() {
    if (this.#operation === 'unAuthorize' || this.#operation === 'checkAndRefreshAccessToken') return;
    const before = new User(this.#operation, parseJSON(this.#original), this.#original);
    const vain = keys(this).filter((name) => name !== 'platformAdditionalInfo' && toJSON(this[name]) !== toJSON(before[name]));
    if (vain.length > 0) log('warn', [`${this.#operation}: user.save() keeps changes of platformAdditionalInfo only, not of ${vain.join(', ')}`]);
  }

  async update(values) {
    Object.assign(this, values);
    return this.save();
  }

  async destroy() {
    if (this.#operation !== 'unAuthorize') log('warn', [`${this.#operation}: user.destroy() has no effect: only a logout removes a user`]);
  }

  async reload() { return this; }
  changed() { return true; }
  get(name) { return name === undefined ? this : this[name]; }
  set(name, value) {
    if (typeof name === 'object') Object.assign(this, name);
    else this[name] = value;
    return this;
  }

  // #changed returns the members of platformAdditionalInfo that differ from what the host has sent. A removed one becomes null.
  #changed() {
    const before = parseJSON(this.#original).user?.platformAdditionalInfo ?? {};
    const after = this.platformAdditionalInfo ?? {};
    const changes = {};
    for (const name of keys(after)) {
      const text = toJSON(after[name]);
      if (text !== undefined && text !== toJSON(before[name])) changes[name] = parseJSON(text);
    }
    for (const name of keys(before)) {
      if (after[name] === undefined) changes[name] = null;
    }
    return changes;
  }

  // changes returns what was saved, or nothing.
  static changes(user) { return user.#changes && keys(user.#changes).length > 0 ? user.#changes : undefined; }

  // current returns what differs now, saved or not.
  static current(user) {
    const changes = user.#changed();
    return keys(changes).length > 0 ? changes : undefined;
  }
}
