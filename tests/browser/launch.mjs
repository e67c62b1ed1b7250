// Headless Chromium without a network, with a profile of its own.
import { chromium } from 'playwright-core';

const ARGUMENTS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync'];

export function launch(executablePath, profile) {
  return chromium.launchPersistentContext(profile, { executablePath, headless: true, args: ARGUMENTS, viewport: { width: 1280, height: 900 }, offline: true });
}
