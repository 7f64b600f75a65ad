/** HTML of an error page that the edge makes itself. */
export function edgeContent(status: number, ray: string, address: string, sentence: string): string;
