/** Errors with a message meant for a person: what was given, what is allowed, what to do next. */
export class MerError extends Error {
  // Said out here, as a page's build gives its classes other names.
  override name = "MerError";
}

/** A message as a page shows it, with a capital; a file's name at its beginning stays as it is. */
export function sentence(message: string): string {
  return /^[\w/-]+\.\w/.test(message) ? message : message.charAt(0).toUpperCase() + message.slice(1);
}

/** A bundle that is missing, incomplete, altered since it was written, or of a newer schema. */
export class BundleError extends MerError {
  override name = "BundleError";
}

/** A bundle that no trusted key signed, that was changed since, or whose signature has expired. */
export class UntrustedBundle extends BundleError {
  override name = "UntrustedBundle";
}

/** Samples or pixels outside the contract. */
export class SignalError extends MerError {
  override name = "SignalError";
}

/** A browser that cannot run the graphs. */
export class RuntimeUnavailable extends MerError {
  override name = "RuntimeUnavailable";
}

/** An option whose value is not allowed. */
export class OptionError extends MerError {
  override name = "OptionError";
}

/** A live stream that an error has ended, such as one thrown by the app's callback; that one is its `cause`. */
export class StreamError extends MerError {
  override name = "StreamError";
}
