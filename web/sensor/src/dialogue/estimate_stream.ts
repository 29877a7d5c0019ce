/** Estimates as they come, for an iterator or a callback, and how a stream of them ends: mer_sdk.live.worker. */
import { OptionError, StreamError } from "../errors.js";

/** Results of live input: taken by iterating (or `get`), or given to a callback. */
export class EstimateStream<T> implements AsyncIterable<T> {
  /** Results that nobody took, so far. */
  untaken = 0;
  /** Whether no further result will come. */
  over = false;
  private failed: StreamError | null = null;
  private results: T[] = [];
  private takers: ((result: T | null) => void)[] = [];
  private enders: (() => void)[] = [];

  /**
   * @param what what the app knows it as, for messages, such as "live conversation".
   * @param room results that may wait for whoever takes them; where there are more, the oldest is dropped and counted.
   * @param callback called with each result; an error that it throws ends the stream.
   */
  constructor(
    private readonly what: string,
    private readonly room: number,
    private readonly callback?: (result: T) => unknown,
  ) {}

  /** Whether results go to a callback. */
  get called(): boolean {
    return this.callback !== undefined;
  }

  /** What stopped it; undefined where nothing did. */
  get cause(): unknown {
    return this.failed?.cause;
  }

  /** @throws StreamError it was stopped by an error. */
  check(): void {
    if (this.failed) throw this.failed;
  }

  /** Give a result to whoever takes it, and wait for a callback. @throws whatever the callback throws. */
  async give(result: T): Promise<void> {
    if (this.over) return;
    if (this.callback) {
      await this.callback(result);
      return;
    }
    const taker = this.takers.shift();
    if (taker) {
      taker(result);
      return;
    }
    this.results.push(result);
    if (this.results.length > this.room) {
      this.results.shift();
      this.untaken += 1;
    }
  }

  /** No more comes: what waits may still be taken, and then the error is told, where one stopped it. */
  end(error?: unknown): void {
    if (this.over) return;
    this.over = true;
    if (error !== undefined) {
      const [name, message] = error instanceof Error ? [error.name, error.message] : ["", String(error)];
      const said = `the ${this.what} has stopped, as ${name || "something"} was thrown: ${message}; mend that and open another`;
      this.failed = new StreamError(said, { cause: error });
    }
    for (const taker of this.takers.splice(0)) taker(null);
    for (const ender of this.enders.splice(0)) ender();
  }

  /** Throw away what was not taken. */
  clear(): void {
    this.results = [];
  }

  /** Once no further result will come. */
  async ended(): Promise<void> {
    if (!this.over) await new Promise<void>((resolve) => this.enders.push(resolve));
  }

  /**
   * The next result; null where none came within `timeout` seconds, or none will come any more (see `over`).
   *
   * @throws OptionError the results go to a callback.
   * @throws StreamError it was stopped by an error; what was made before has been taken.
   */
  async get(timeout = Infinity): Promise<T | null> {
    if (this.callback) throw new OptionError("the estimates go to onEstimate; leave it out to iterate over them");
    if (this.results.length) return this.results.shift()!;
    if (!this.over) {
      const result = await new Promise<T | null>((resolve) => {
        this.takers.push(resolve);
        if (timeout === Infinity) return;
        setTimeout(() => {
          this.takers = this.takers.filter((one) => one !== resolve);
          resolve(null);
        }, 1000 * timeout);
      });
      if (result !== null) return result;
    }
    if (this.over) this.check();
    return null;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    for (let result = await this.get(); result !== null; result = await this.get()) yield result;
  }
}
