import { appendFileSync } from "node:fs";

/** Writes down every test that passed, or failed, only at another try: a line each into the file that `SECOND_LOOKS` names. */
export default class SecondLooks {
  onTestCaseResult(test) {
    const { retryCount = 0 } = test.diagnostic() ?? {};
    for (let n = 0; n < retryCount; n++)
      appendFileSync(process.env.SECOND_LOOKS, `${process.version} ${test.module.relativeModuleId} > ${test.fullName}\n`);
  }
}
