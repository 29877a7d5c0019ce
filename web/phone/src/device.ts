/** The browser's own description of itself and its device. */

export interface Device {
  user_agent: string;
  browser: string;
  model: string;
  platform: string;
  mobile: boolean | null;
  cores: number;
  memory_gb: number | null;
  screen: string;
  gpu: string;
  isolated: boolean;
  touch_points: number;
  webdriver: boolean;
}

/** Charge from 0 to 1. */
export interface Charge {
  level: number;
  charging: boolean;
}

interface Hints {
  mobile: boolean;
  brands: { brand: string; version: string }[];
  getHighEntropyValues(names: string[]): Promise<Record<string, any>>;
}

interface Extended extends Navigator {
  userAgentData?: Hints;
  deviceMemory?: number;
  getBattery?: () => Promise<Charge>;
}

/** The battery as it is now (Battery Status API); null where the browser does not tell it, as Safari and Firefox. */
export async function readCharge(): Promise<Charge | null> {
  const found = await (navigator as Extended).getBattery?.().catch(() => null);
  return found ? { level: Math.min(1, Math.max(0, Number(found.level) || 0)), charging: found.charging === true } : null;
}

/** Texts are cut to what the host takes. */
export async function describeDevice(): Promise<Device> {
  const here = navigator as Extended;
  const hints = here.userAgentData;
  const more = (await hints?.getHighEntropyValues(["model", "platform", "platformVersion", "fullVersionList"]).catch(() => null)) ?? {};
  const brands: { brand: string; version: string }[] = more.fullVersionList ?? hints?.brands ?? [];
  // The list holds a made-up brand, and "Chromium" beside the product's own name.
  const named = brands.filter(({ brand }) => !/not.?a.?brand/i.test(brand));
  const brand = named.find(({ brand }) => brand !== "Chromium") ?? named[0];
  const fallback = fromAgent(navigator.userAgent);
  return {
    user_agent: cut(navigator.userAgent),
    browser: cut(brand ? `${brand.brand} ${brand.version}` : fallback.browser),
    model: cut(more.model ?? ""),
    platform: cut(more.platform ? `${more.platform} ${more.platformVersion ?? ""}`.trim() : fallback.platform),
    mobile: hints?.mobile ?? null,
    cores: navigator.hardwareConcurrency || 1,
    memory_gb: here.deviceMemory ?? null,
    screen: `${screen.width} x ${screen.height}`,
    gpu: cut(await gpuName()),
    isolated: globalThis.crossOriginIsolated === true,
    touch_points: Math.min(256, Math.max(0, Math.trunc(navigator.maxTouchPoints) || 0)),
    webdriver: navigator.webdriver === true,
  };
}

/** A few words for a person. */
export function inWords(device: Device): string {
  return [device.model, device.platform, device.browser, `${device.cores} cores`].filter(Boolean).join(", ");
}

function fromAgent(agent: string): { browser: string; platform: string } {
  const browser = /(Firefox|FxiOS|CriOS|EdgiOS|Edg|Chrome)\/([\d.]+)/.exec(agent);
  const safari = /Version\/([\d.]+).*Safari/.exec(agent);
  const platform = /\(([^)]*)\)/.exec(agent)?.[1] ?? "";
  return { browser: browser ? `${browser[1]} ${browser[2]}` : safari ? `Safari ${safari[1]}` : "", platform };
}

async function gpuName(): Promise<string> {
  const gpu = (navigator as { gpu?: { requestAdapter(): Promise<{ info?: Record<string, string> } | null> } }).gpu;
  const info = (await gpu?.requestAdapter().catch(() => null))?.info;
  return info ? [info.vendor, info.architecture, info.description].filter(Boolean).join(" ") : "";
}

function cut(text: string): string {
  return text.replace(/[^\x20-\x7e\u00a1-\uffef]/g, " ").slice(0, 400);
}
